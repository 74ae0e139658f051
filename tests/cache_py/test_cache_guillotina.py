"""What Guillotina wants of a cache: its utility, its strategy, its driver; see also the site."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cache_conditions import come_to

pytest.importorskip("guillotina")

with warnings.catch_warnings():
    # Guillotina uses what its libraries would rather see the last of.
    warnings.simplefilter("ignore", DeprecationWarning)
    from guillotina import app_settings, component
    from guillotina.interfaces import ICacheUtility

    from oxbridge.contrib.guillotina import deletions as deletions_module
    from oxbridge.contrib.guillotina import settings, values
    from oxbridge.contrib.guillotina.deletions import Deletions
    from oxbridge.contrib.guillotina.driver import Driver
    from oxbridge.contrib.guillotina.node import Node
    from oxbridge.contrib.guillotina.strategy import SnapshotCache
    from oxbridge.contrib.guillotina.utility import CacheUtility

RECORD = {"state": bytes(range(256)) * 9, "zoid": "a" * 32, "tid": 7, "id": "page", "part": None}


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; one that hangs is cut."""
    asyncio.run(asyncio.wait_for(test, 60))


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give Guillotina the settings of the application, as it does itself."""
    ours = {"memory_cache_size": 8 << 20, "ttl": 3600, "push": False, "updates_channel": None}
    monkeypatch.setitem(app_settings, "cache", ours)
    cluster = {"bind": "127.0.0.1:0", "secret": "of the tests", "timeout": 20}
    monkeypatch.setitem(app_settings, "oxbridge_cache", cluster)
    return cluster


def join(*nodes: Node | None) -> None:
    """Tell nodes of each other, as the setting peers does."""
    known = [node for node in nodes if node is not None]
    addresses = [str(node.address) for node in known]
    for node in known:
        node.instance.set_peers(addresses)


@asynccontextmanager
async def utilities(count: int = 2) -> AsyncIterator[list[CacheUtility]]:
    """Run what would be one utility in each of several processes."""
    started = [CacheUtility({}) for _ in range(count)]
    try:
        for utility in started:
            await utility.initialize()
        join(*(utility._node for utility in started))
        yield started
    finally:
        for utility in started:
            await utility.finalize()


async def over(of: CacheUtility | Driver, key: str) -> None:
    """Wait until nothing is there for a key."""
    while await of.get(key) is not None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


class Manager:
    """What a transaction's manager is to the cache."""

    db_id = "root"
    _cache_hits = _cache_misses = _cache_stored = 0


class Transaction:
    """What a transaction is to the cache."""

    def __init__(self) -> None:
        self.manager = self._manager = Manager()
        self.modified: dict[str, Any] = {}
        self.added: dict[str, Any] = {}
        self.deleted: dict[str, Any] = {}
        self._tid = 1


class Thing:
    """An object of the database."""

    __of__ = None
    __parent__ = None

    def __init__(self, uuid: str) -> None:
        self.__uuid__ = uuid
        self.__serial__ = 1
        self.id = self.__name__ = "page"


def transaction(utility: CacheUtility) -> SnapshotCache:
    """Begin a transaction in the process of a utility; give its cache."""
    registry = component.get_global_components()
    registry.registerUtility(utility, provided=ICacheUtility)
    try:
        return SnapshotCache(Transaction())
    finally:
        registry.unregisterUtility(utility, provided=ICacheUtility)


@pytest.mark.parametrize(
    "value",
    [
        RECORD,
        [],
        ["a", "b"],
        7,
        "__<EMPTY VALUE>__",
        {"nested": [{"state": b"x", "more": (b"", b"yz")}]},
        {"ä": "\ud7ff", "n": -1.5, "yes": True},
    ],
)
def test_values_come_back_as_they_were(value: Any) -> None:
    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: plain(item) for name, item in part.items()}
        return [plain(item) for item in part] if isinstance(part, list | tuple) else part

    assert values.loads(values.dumps(value)) == plain(value)


def test_what_cannot_be_cached_is_told() -> None:
    for strange in (object(), {1: 2}, {"a": object()}, {"$bytes": 1}, [b"x", {2}]):
        with pytest.raises(TypeError):
            values.dumps(strange)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00\x00",
        b"\x00\x00\x00\x02{",
        b"\x00\x00\x00\x02[}",
        b'\x00\x00\x00\x0c{"$bytes":1}',
        b'\x00\x00\x00\x0d{"$bytes":-1}xx',
        b'\x00\x00\x00\x0e{"$bytes":"a"}xx',
        b"\x80\x04\x95",
    ],
)
def test_what_is_no_value_is_told_and_never_run(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.loads(data)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bin": "a:1"}, "no setting 'bin'; there are: bind, me, peers"),
        ({"peers": ["a"]}, "oxbridge_cache.bind is missing"),
        ({"bind": "127.0.0.1:0"}, "a secret, or tls"),
        ({"bind": 7, "secret": "s"}, "oxbridge_cache.bind is 7"),
        ({"bind": "a:1", "secret": ""}, "oxbridge_cache.secret is ''"),
        ({"bind": "a:1", "secret": "s", "peers": "a"}, "oxbridge_cache.peers is 'a'"),
        ({"bind": "a:1", "secret": "s", "peers": ["a"], "peers_dns": "b:1"}, "one of peers and"),
        ({"bind": "a:1", "secret": "s", "timeout": 0}, "oxbridge_cache.timeout is 0"),
        ({"bind": "a:1", "tls": {"ca": "x"}}, "ca, cert and key"),
    ],
)
def test_wrong_settings_are_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        settings.read(given)


def test_without_settings_a_process_is_alone() -> None:
    node = Node({})
    assert node.address is None
    node.instance.close()


def test_an_address_that_is_not_in_the_list_is_told(configured: dict[str, Any]) -> None:
    configured["peers"] = ["http://127.0.0.1:1"]
    with pytest.raises(ValueError, match=r"http://127\.0\.0\.1:\d+"):
        Node(configured)


def test_what_one_process_has_cached_the_others_have() -> None:
    async def test() -> None:
        async with utilities(3) as (one, two, three):
            assert await one.get("k") is None
            await one.set(["k", "also"], RECORD)
            for utility in (one, two, three):
                assert await utility.get("k") == RECORD
                assert await utility.get("also") == RECORD
            await two.delete_all(["k", "never there"])
            for utility in (one, two, three):
                assert await utility.get("k") is None
            await three.delete("also")
            assert await one.get("also") is None
            for number in range(50):
                await one.set(f"{number}", number)
            await two.clear()
            for utility in (one, two, three):
                found = [await utility.get(str(number)) for number in range(50)]
                assert found == [None] * 50
            stats = await one.get_stats()
            assert stats["address"] == one._node.address  # type: ignore[union-attr]
            assert stats["group"]["sets"] > 0

    run(test())


def test_values_are_good_for_the_time_that_is_set(configured: dict[str, Any]) -> None:
    async def test() -> None:
        async with utilities() as (one, other):
            await one.set("soon over", 1, ttl=0.05)
            await one.set("stays", 2)
            await over(other, "soon over")
            assert await other.get("stays") == 2
            app_settings["cache"]["ttl"] = 0.05
            await one.set("soon over", 1)
            await over(other, "soon over")

    run(test())


def test_messages_of_guillotinas_own_kind_are_done() -> None:
    async def test() -> None:
        async with utilities() as (one, other):
            await one.set("k", 1)
            await other.send_invalidation(["k"], push={"pushed": RECORD})
            assert await one.get("k") is None
            assert await one.get("pushed") == RECORD
            for wrong in (None, b"pickle", {"tid": 1}, {"keys": "k"}):
                await one.invalidate(data=wrong)
            one.ignore_tid(7)

    run(test())


def test_what_goes_wrong_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with utilities() as (one, other):
            await one.set("k", object())
            assert "cannot be cached" in caplog.text
            await other.finalize()
            # Half of the keys belong to one who is gone.
            for number in range(10):
                await one.set(f"{number}", number)
                await one.get(f"{number}")
                await one.delete_all([f"{number}"])
            assert "Error deleting cache keys" in caplog.text
        # Finalised, it is silent.
        await one.set("k", 1)
        assert await one.get("k") is None
        assert await one.delete_all(["k"]) == {}
        await one.clear()
        assert await one.get_stats() == {}

    run(test())


def test_a_utility_begins_again() -> None:
    async def test() -> None:
        utility = CacheUtility()
        for _ in range(2):
            await utility.initialize()
            await utility.initialize()
            await utility.set("k", 1)
            assert await utility.get("k") == 1
            await utility.finalize()

    run(test())
    run(test())


def test_a_transaction_puts_nothing_back_that_another_has_changed() -> None:
    async def test() -> None:
        async with utilities() as (one, other):
            for reader, writer in ((one, other), (other, one), (one, one)):
                # It has begun, and reads the database as it is now.
                early = transaction(reader)
                assert await early.get(oid="page") is None
                late = transaction(writer)
                late._transaction.modified["page"] = thing = Thing("page")
                await late.store_object(thing, b"new state")
                # A commit: what it changes goes, and its own takes that place.
                await late.close()
                expected = {"state": b"new state", "zoid": "page", "tid": 1, "id": "page"}
                for utility in (one, other):
                    assert await utility.get("root-page") == expected
                # In this process the word of it may take a moment.
                deletions = reader.deletions
                await come_to(lambda early=early, d=deletions: d.last("root-page") > early._since)
                await early.set({"state": b"old state"}, oid="page")
                for utility in (one, other):
                    assert await utility.get("root-page") == expected
                # One that begins now has read what was committed.
                await transaction(reader).set({"state": b"newer"}, oid="page")
                assert await other.get("root-page") == {"state": b"newer"}
                await one.clear()
                cleared = transaction(reader)
                await one.clear()
                await come_to(lambda c=cleared, d=deletions: d.last("root-page") > c._since)
                await cleared.set({"state": b"older"}, oid="page")
                assert await other.get("root-page") is None

    run(test())


def test_a_transaction_counts_and_forgets_as_guillotinas_own() -> None:
    async def test() -> None:
        async with utilities() as (one, other):
            mine = transaction(one)
            assert await mine.get(oid="page") is None
            await mine.set({"state": b"s"}, oid="page")
            keyset = [{"oid": "two"}, {"container": "page", "id": "two"}]
            await mine.set({"state": b"s"}, keyset)
            assert await mine.get(container="page", id="two") == {"state": b"s"}
            manager = mine._transaction.manager
            counted = (manager._cache_hits, manager._cache_misses, manager._cache_stored)
            assert counted == (1, 1, 2)
            # Given up: nothing changes.
            aborted = transaction(one)
            aborted._transaction.modified["page"] = Thing("page")
            await aborted.close(invalidate=False)
            assert await other.get("root-page") == {"state": b"s"}
            # A conflict: what it has touched is read anew, and nothing of its own is put in.
            conflict = transaction(other)
            conflict._transaction.modified["page"] = thing = Thing("page")
            await conflict.store_object(thing, b"never committed")
            await conflict.close(invalidate=True, publish=False)
            for utility in (one, other):
                assert await utility.get("root-page") is None
            await mine.delete("root-two")
            assert await other.get("root-two") is None
            await transaction(one).clear()
            assert await other.get("root-page/two") is None

    run(test())


def test_what_is_not_remembered_counts_as_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions_module, "_REMEMBERED", 3)
    deletions = Deletions()
    for name in "abcde":
        deletions.note(name)
    assert [deletions.last(name) for name in "edcba"] == [5, 4, 3, 2, 2]
    told: list[str] = []
    deletions.tell_next("a", lambda: told.append("a"))
    deletions.note("b")
    assert not told
    deletions.note("a")
    deletions.note("a")
    assert told == ["a"]
    deletions.tell_next("z", lambda: told.append("z"))
    deletions.note_all()
    assert told == ["a", "z"]
    assert deletions.last("never") == deletions.now


def test_the_driver_keeps_bytes_for_all() -> None:
    async def test() -> None:
        one, other = Driver(), Driver()
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="not initialised"):
            await one.get("k")
        for driver in (one, other):
            await driver.initialize(loop)
            await driver.initialize(loop)
            assert driver.initialized
        join(one._node, other._node)
        assert await one.get("k") is None
        await one.set("k", "text")
        await other.set("l", b"bytes", expire=100)
        assert (await other.get("k"), await one.get("l")) == (b"text", b"bytes")
        await one.expire("k", 0.05)
        await one.expire("never there", 1)
        await over(other, "k")
        await one.delete("l")
        assert await other.get("l") is None
        for number in range(20):
            await one.set(str(number), b"x")
        await other.delete_all([str(number) for number in range(10)])
        assert [await one.get(str(number)) for number in range(9, 11)] == [None, b"x"]
        await one.flushall()
        assert await other.get("15") is None
        assert (await one.info())["guillotina"]["sets"] > 0
        await one.finalize()
        await other.finalize()
        assert not one.initialized
        assert await one.info() == {}

    run(test())


def test_messages_reach_every_process_once_and_in_order() -> None:
    async def test() -> None:
        drivers = [Driver() for _ in range(3)]
        loop = asyncio.get_running_loop()
        for driver in drivers:
            await driver.initialize(loop)
        join(*(driver._node for driver in drivers))
        channels = [await driver.subscribe("news") for driver in drivers]
        others = await drivers[0].subscribe("others")
        sent = [f"message {number}".encode() for number in range(40)]
        for message in sent:
            await drivers[1].publish("news", message)
        await drivers[2].publish("others", "for few")
        for channel in channels:
            assert [await anext(channel) for _ in sent] == sent
        assert await anext(others) == b"for few"
        await drivers[0].unsubscribe("news")
        await drivers[0].unsubscribe("news")
        await drivers[1].publish("news", b"last")
        with pytest.raises(StopAsyncIteration):
            await anext(channels[0])
        assert await anext(channels[2]) == b"last"
        for driver in drivers:
            await driver.finalize()
        with pytest.raises(StopAsyncIteration):
            await anext(channels[2])

    run(test())
