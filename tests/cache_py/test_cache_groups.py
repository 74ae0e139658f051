"""Groups: keys, values, getters, and what becomes of each."""

from __future__ import annotations

import json
import marshal
from collections.abc import Iterator
from typing import Any

import pytest
from cache_conditions import until

from oxbridge import cache


@pytest.fixture
def instance() -> Iterator[cache.Instance]:
    """An instance without peers."""
    with cache.Instance() as instance:
        yield instance


class Getter:
    """Gives each key, upside down, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, key: str) -> bytes:
        self.asked.append(key)
        if key.startswith("missing"):
            raise cache.NotFound(f"no {key}")
        return key[::-1].encode()


def test_a_key_is_loaded_once_and_kept(instance: cache.Instance) -> None:
    getter = Getter()
    group = instance.group("words", getter)
    assert group.get("abc") == b"cba"
    # str is its UTF-8; a hit is the object that is kept, not a copy.
    assert group.get(b"abc") is group.get("abc")
    assert group.get("grüße") == "eßürg".encode()
    assert group.get("") == b""
    assert getter.asked == ["abc", "grüße", ""]
    assert group.name == "words"
    assert instance.groups == {"words": group}


def test_keys_may_be_any_bytes_where_the_getter_takes_bytes(instance: cache.Instance) -> None:
    seen: list[bytes] = []

    def double(key: bytes) -> bytes:
        seen.append(key)
        return key * 2

    raw = instance.group("raw", double, keys="bytes")
    assert raw.get(b"\xff\0") == b"\xff\0\xff\0"
    assert raw.get("ä") == "ää".encode()
    assert seen == [b"\xff\0", "ä".encode()]

    text = instance.group("text", Getter())
    with pytest.raises(ValueError, match=r'the key b"\\xff" is not UTF-8.*keys="bytes"'):
        text.get(b"\xff")


@pytest.mark.parametrize("key", [1, None, bytearray(b"a"), ("a",)])
def test_other_keys_are_type_errors(instance: cache.Instance, key: Any) -> None:
    group = instance.group("words", Getter())
    for ask in (group.get, group.aget, group.peek, group.delete):
        with pytest.raises(TypeError, match=f"a key is str or bytes, not {type(key).__name__}"):
            ask(key)
    with pytest.raises(TypeError, match="a key is str or bytes"):
        group.get_many([key])


def test_one_key_is_not_taken_for_many(instance: cache.Instance) -> None:
    group = instance.group("words", Getter())
    with pytest.raises(TypeError, match="many keys are wanted, in a list for example, not one str"):
        group.get_many("abc")
    with pytest.raises(UnicodeEncodeError):
        group.get("\ud800")


def test_that_there_is_nothing_is_remembered_if_asked_for(instance: cache.Instance) -> None:
    forgetful, mindful = Getter(), Getter()
    short = instance.group("short", forgetful)
    long = instance.group("long", mindful, negative_ttl=60)
    for group in (short, short, long, long):
        with pytest.raises(cache.NotFound, match=r"^no missing$"):
            group.get("missing")
    assert (len(forgetful.asked), len(mindful.asked)) == (2, 1)


def test_what_a_getter_raises_reaches_the_caller_and_is_not_kept(instance: cache.Instance) -> None:
    class Odd(Exception):
        pass

    raised = [Odd("first", 1), Odd("second")]
    group = instance.group("odd", lambda key: (_ for _ in ()).throw(raised.pop(0)))
    first, second = list(raised)
    with pytest.raises(Odd) as caught:
        group.get("a")
    assert caught.value is first
    with pytest.raises(Odd) as caught:
        group.get("a")
    assert caught.value is second
    assert group.stats()["local_load_errs"] == 2


def test_a_value_of_another_type_is_an_error_that_says_so(instance: cache.Instance) -> None:
    group = instance.group("numbers", lambda key: 7)  # type: ignore[arg-type,return-value]
    with pytest.raises(
        TypeError, match='what the getter of the group "numbers" gives is int; wanted bytes'
    ):
        group.get("a")
    with pytest.raises(TypeError, match='the value for the group "numbers" is str; wanted bytes'):
        group.set("a", "text")  # type: ignore[arg-type]
    assert group.peek("a") is None


def test_set_and_delete_have_the_last_word(instance: cache.Instance) -> None:
    getter = Getter()
    group = instance.group("words", getter)
    group.set("abc", b"1")
    assert group.get("abc") == b"1"
    group.set("abc", bytearray(b"2"))  # type: ignore[arg-type]
    assert group.get("abc") == b"2"
    group.delete("abc")
    assert group.get("abc") == b"cba"
    group.set("x", b"1")
    group.set("y", b"2")
    group.delete_many(["x", b"y", "z"])
    assert (group.peek("x"), group.peek("y")) == (None, None)
    group.clear()
    assert group.peek("abc") is None
    assert getter.asked == ["abc"]


def test_values_expire(instance: cache.Instance) -> None:
    group = instance.group("words", Getter(), ttl=3600)
    group.set("short", b"1", ttl=0.02)
    group.set("long", b"1")
    until(lambda: group.peek("short") is None)
    assert group.peek("long") == b"1"
    assert group.get("short") == b"trohs"


def test_a_stale_value_is_given_while_one_load_replaces_it(instance: cache.Instance) -> None:
    numbers = iter(range(100))
    group = instance.group(
        "numbers", lambda key: str(next(numbers)), serializer="str", ttl=0.02, stale_for=3600
    )
    assert group.get("n") == "0"
    until(lambda: group.get("n") != "0")
    assert group.stats()["stale_hits"] >= 1


def test_many_at_once(instance: cache.Instance) -> None:
    getter = Getter()
    group = instance.group("words", getter)
    keys: list[str | bytes] = ["ab", b"cd", "missing"]
    assert group.get_many(keys) == {"ab": b"ba", b"cd": b"dc"}
    assert group.warm(["ab", "ef", "missing"], at_once=2) == 2
    assert group.peek("ef") == b"fe"
    assert group.get_many(iter(())) == {}
    assert sorted(getter.asked) == ["ab", "cd", "ef", "missing", "missing"]


def test_serializers(instance: cache.Instance) -> None:
    text = instance.group("text", lambda key: key.upper(), serializer="str")
    assert text.get("é") == "É"
    assert text.get("é") is text.get("é")

    tables = instance.group("json", lambda key: {"key": key, "n": [1, None]}, serializer="json")
    one, other = tables.get("ä"), tables.get("ä")
    assert one == other == {"key": "ä", "n": [1, None]}
    assert one is not other, "whoever changes its value changes nobody else's"
    with pytest.raises(TypeError, match="not JSON serializable"):
        tables.set("a", {1, 2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        tables.set("a", float("nan"))

    anything = instance.group("marshal", lambda key: {key: (1, b"2")}, serializer=marshal)
    assert anything.get("a") == {"a": (1, b"2")}


def test_a_serializer_that_fails_is_heard(instance: cache.Instance) -> None:
    class Broken:
        def dumps(self, value: str, /) -> bytes:
            return value  # type: ignore[return-value]

        def loads(self, data: bytes, /) -> str:
            raise RuntimeError(f"cannot read {data!r}")

    group = instance.group("broken", lambda key: key, serializer=Broken())
    with pytest.raises(TypeError, match="what the serializer's dumps gives is str; wanted bytes"):
        group.get("a")

    class Half(Broken):
        def dumps(self, value: str, /) -> bytes:
            return value.encode()

    group = instance.group("half", lambda key: key, serializer=Half())
    with pytest.raises(RuntimeError, match="cannot read b'a'"):
        group.get("a")


def test_settings_out_of_range_say_what_was_wanted(instance: cache.Instance) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"ttl": 0}, "ttl is 0; wanted seconds, more than 0"),
        ({"ttl": float("nan")}, "ttl is NaN; wanted seconds"),
        ({"negative_ttl": -1}, "negative_ttl is -1; wanted seconds"),
        ({"stale_for": -1}, "stale_for is -1; wanted seconds"),
        ({"serializer": "pickle"}, 'serializer is "pickle"; wanted "bytes", "str", "json"'),
        ({"keys": "int"}, 'keys is "int"; wanted "str" or "bytes"'),
    ]
    for settings, message in wrong:
        with pytest.raises(ValueError, match=message):
            instance.group("g", Getter(), **settings)
    with pytest.raises(TypeError, match="has no function dumps"):
        instance.group("g", Getter(), serializer=3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="wanted a function"):
        instance.group("g", None)  # type: ignore[call-overload]
    with pytest.raises(OverflowError):
        instance.group("g", Getter(), max_bytes=-1)
    with pytest.raises(ValueError, match="must not contain"):
        instance.group("a/b", Getter())
    instance.group("g", Getter())
    with pytest.raises(ValueError, match='there is a group "g" already'):
        instance.group("g", Getter())
    instance.remove_group("g")
    instance.group("g", Getter())
    with pytest.raises(ValueError, match="threads is 1; wanted 2 or more"):
        cache.Instance(threads=1)
    with pytest.raises(ValueError, match="made without peers"):
        instance.set_peers(["http://127.0.0.1:1"])


def test_the_bound_is_kept(instance: cache.Instance) -> None:
    group = instance.group("words", lambda key: key.encode() * 100, max_bytes=1000)
    for number in range(10, 99):
        group.get(str(number))
    main = group.stats()["main"]
    assert main["bytes"] <= 1000
    assert main["items"] == 4
    assert main["evictions"] == 85
    assert group.peek("98") is not None


def test_numbers_as_json_and_for_prometheus(instance: cache.Instance) -> None:
    group = instance.group('odd "name"\\', Getter())
    group.get("ab")
    group.get("ab")
    stats = json.loads(json.dumps(instance.stats()))['odd "name"\\']
    assert stats == group.stats()
    assert (stats["gets"], stats["cache_hits"], stats["loads"]) == (2, 1, 1)
    assert stats["main"] == {"bytes": 4, "items": 1, "hits": 1, "evictions": 0}
    text = instance.prometheus()
    name = r'group="odd \"name\"\\"'
    assert f"oxbridge_cache_gets_total{{{name}}} 2\n" in text
    assert f'oxbridge_cache_bytes{{{name},cache="main"}} 4\n' in text
    # Each family is told of once, before its samples.
    kinds = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds)) > 20
