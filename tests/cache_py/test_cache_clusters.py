"""Clusters: processes in Python, alone and with the real groupcaches of Go."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cache_node import Dialect, Node, load, python_node, secret_of

from oxbridge import cache
from serving import ROOT

KEYS = [f"key {number}/ä+%".encode() for number in range(60)] + [b"\xff\x00", b"a" * 300]
GO_PACKAGES = {"golang": "golang", "mailgun": "mailgun", "groupcache-go": "groupcachego"}


class Here:
    """A node in this process."""

    def __init__(self, dialect: Dialect) -> None:
        peers = cache.Peers(dialect, timeout=20, secret=secret_of(dialect))
        self.instance = cache.Instance(peers=peers)
        with pytest.raises(RuntimeError, match=r"call serve\(…\) first, or say Peers\(me=…\)"):
            self.instance.set_peers([])
        self.address = self.instance.serve()
        self.asked: list[bytes] = []
        self.group = self.instance.group("things", self.load, keys="bytes", max_bytes=8 << 20)

    def load(self, key: bytes) -> bytes:
        """Be the getter."""
        self.asked.append(key)
        return load("here", key)


@pytest.fixture
def start() -> Iterator[Callable[..., Any]]:
    """Start nodes that end with the test; make a cluster of them and of one in this process."""
    started: list[Node] = []
    heres: list[Here] = []

    def start(dialect: Dialect, *nodes: Callable[[], Node]) -> tuple[Here, list[Node]]:
        here = Here(dialect)
        heres.append(here)
        started.extend(node() for node in nodes)
        addresses = [here.address, *(node.address for node in started)]
        here.instance.set_peers(addresses)
        for node in started:
            node.peers(addresses)
        return here, started

    yield start
    for node in started:
        node.close()
    for here in heres:
        here.instance.close()


@pytest.fixture(scope="session")
def go_node(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Dialect], Node]:
    """Build and start nodes in Go."""
    import programs

    place = tmp_path_factory.mktemp("go-nodes")

    def node(dialect: Dialect) -> Node:
        built = place / GO_PACKAGES[dialect]
        if not built.exists():
            go = programs.find("go")
            assert go is not None
            source = ROOT / "tests" / "cache" / "go"
            subprocess.run(
                [go, "build", "-o", built, f"./{GO_PACKAGES[dialect]}"], cwd=source, check=True
            )
        with_scheme = dialect != "groupcache-go"
        return Node([str(built)], lambda host: f"http://{host}" if with_scheme else host)

    return node


def owners_agree(here: Here, names: dict[str, str]) -> None:
    """See to it that each key came from the getter of the node that owns it, and once."""
    for key in KEYS:
        owner = here.instance.owner(key)
        assert owner is not None
        assert here.group.get(key) == load(names[owner], key)
    owned = [key for key in KEYS if here.instance.owner(key) == here.address]
    assert sorted(here.asked) == sorted(owned)
    # And from memory, the same object each time, where a copy is kept.
    again = {key: here.group.get(key) for key in KEYS}
    assert sorted(here.asked) == sorted(owned)
    for key in owned:
        assert here.group.get(key) is again[key]


@pytest.mark.parametrize("dialect", ["golang", "mailgun", "groupcache-go", "oxbridge"])
def test_processes_in_python(dialect: Dialect, start: Any) -> None:
    here, [one, two] = start(dialect, lambda: python_node(dialect), lambda: python_node(dialect))
    owners_agree(here, {here.address: "here", one.address: "python", two.address: "python"})
    stats = here.group.stats()
    assert stats["peer_errors"] == 0
    assert stats["peer_loads"] > 0
    assert one.ask("loads")["loads"] + two.ask("loads")["loads"] + len(here.asked) == len(KEYS)
    # The other way round: they ask us.
    ours = next(key for key in KEYS if here.instance.owner(key) == here.address)
    assert one.get(ours) == two.get(ours) == load("here", ours)
    assert here.group.stats()["server_requests"] == 2


@pytest.mark.timeout(300)
@pytest.mark.needs("go")
@pytest.mark.parametrize("dialect", ["golang", "mailgun", "groupcache-go"])
def test_a_cluster_with_go(dialect: Dialect, start: Any, go_node: Any) -> None:
    here, [go, python] = start(dialect, lambda: go_node(dialect), lambda: python_node(dialect))
    owners_agree(here, {here.address: "here", go.address: "go", python.address: "python"})
    for key in KEYS:
        assert go.get(key) == python.get(key) == here.group.get(key)


def owned_by(here: Here, node: Node, prefix: str) -> bytes:
    """Give a key of that beginning that a node owns."""
    keys = (f"{prefix}{number * 7919}".encode() for number in range(100_000))
    return next(key for key in keys if here.instance.owner(key) == node.address)


@pytest.mark.timeout(300)
@pytest.mark.needs("go")
@pytest.mark.parametrize("dialect", ["mailgun", "groupcache-go"])
def test_what_go_says_of_a_key(dialect: Dialect, start: Any, go_node: Any) -> None:
    here, [go] = start(dialect, lambda: go_node(dialect))
    with pytest.raises(cache.NotFound, match="no such thing"):
        here.group.get(owned_by(here, go, "missing"))
    with pytest.raises(cache.RemoteError, match="the getter is broken"):
        here.group.get(owned_by(here, go, "broken"))
    assert here.asked == []

    theirs, ours = (
        owned_by(here, go, "t"),
        next(k for k in KEYS if here.instance.owner(k) == here.address),
    )
    for key in (theirs, ours):
        here.group.set(key, b"from here")
        assert go.get(key) == here.group.get(key) == b"from here"
        asyncio.run(aset(here.group, key, b"again"))
        here.group.delete(key)
        assert here.group.peek(key) is None
        assert go.get(key)[:3] == (b"go:" if key == theirs else b"her")
        go.set(key, b"from go")
        if dialect == "groupcache-go" or key == ours:
            assert here.group.get(key) == b"from go"
        go.remove(key)
        assert here.group.peek(key) is None


async def aset(group: cache.Group[bytes], key: bytes, value: bytes) -> None:
    """Set a key in a coroutine."""
    await group.aset(key, value)
    assert await group.aget(key) == value


def test_what_python_says_of_a_key(start: Any) -> None:
    here, [other] = start("mailgun", lambda: python_node("mailgun"))
    with pytest.raises(cache.NotFound, match=r"^no such thing$"):
        here.group.get(owned_by(here, other, "missing"))
    with pytest.raises(cache.RemoteError, match=r"^RuntimeError: the getter is broken$"):
        here.group.get(owned_by(here, other, "broken"))
    key = owned_by(here, other, "k")
    found = here.group.get_many([key, owned_by(here, other, "missing"), b"mine"])
    assert set(found) == {key, b"mine"}
    # Its owner has gone: it is loaded here.
    other.close()
    gone = owned_by(here, other, "gone")
    assert here.group.get(gone) == load("here", gone)
    with pytest.raises(cache.PeerError, match=other.address):
        here.group.set(gone, b"new")


def test_golang_knows_no_set_of_others_keys(start: Any) -> None:
    here, [other] = start("golang", lambda: python_node("golang"))
    with pytest.raises(cache.Unsupported, match="knows no set"):
        here.group.set(owned_by(here, other, "k"), b"new")
    with pytest.raises(cache.Unsupported, match="knows no delete"):
        here.group.delete(b"any")


def test_functions_of_a_cluster(tmp_path: Path) -> None:
    """Two instances stand for two processes that run the same program."""
    calls: list[str] = []

    def program(instance: cache.Instance, name: str) -> Any:
        @cache.cached(instance=instance, group="area")
        def area(width: int, height: float = 1, *, unit: str = "m") -> list[object]:
            calls.append(name)
            return [width * height, unit]

        @cache.cached(instance=instance, group="names", serializer="str")
        async def names(*parts: str | None) -> str:
            calls.append(name)
            return "/".join(map(str, parts))

        return area, names

    with (
        cache.Instance(peers=cache.Peers("groupcache-go", timeout=20)) as one,
        cache.Instance(peers=cache.Peers("groupcache-go", timeout=20)) as two,
    ):
        addresses = [one.serve(), two.serve()]
        (area, names), (other_area, _) = program(one, "one"), program(two, "two")
        one.set_peers(addresses)
        two.set_peers(addresses)
        for width in range(40):
            assert area(width * 7919, unit="é") == [width * 7919, "é"]
            assert other_area(width * 7919, 1.0, unit="é") in ([width * 7919, "é"],)
        assert set(calls) == {"one", "two"}
        del calls[:]
        area.delete(0, unit="é")
        assert other_area(0, unit="é") == [0, "é"]
        assert len(calls) == 1

        async def main() -> None:
            assert await names("a", None, "b'") == "a/None/b'"
            await names.adelete("a", None, "b'")

        asyncio.run(main())
        assert area.cache_info().items > 0
        area.cache_clear()
        assert area.cache_info().items == 0
        with pytest.raises(ValueError, match=r"cached\(key=…\) is not for an instance with peers"):
            cache.cached(instance=one, key=str)(lambda x: x)
        # Whoever sends a key that is none gets an error, and no call.
        group = one.groups["area"]
        for key in ("(1", "(print(1),)", "*((1,),(('nothing',1),))", "(1,2,3)", "[1]", "(a,)"):
            with pytest.raises((ValueError, cache.RemoteError), match="is no key of calls of"):
                group.get(key)


def test_a_node_that_nobody_can_reach_is_told() -> None:
    with cache.Instance(peers=cache.Peers("mailgun")) as instance:
        with pytest.raises(ValueError, match=r"other nodes cannot reach 0\.0\.0\.0:\d+; .*me=…"):
            instance.serve("0.0.0.0:0")
        with pytest.raises(ValueError, match="nonsense"):
            instance.serve("nonsense")
        address = instance.serve("127.0.0.1:0")
        assert address.startswith("http://127.0.0.1:")
        with pytest.raises(RuntimeError, match="serves already"):
            instance.serve()
        with pytest.raises(ValueError, match="is not in the list of peers"):
            instance.set_peers(["http://127.0.0.1:1"])
        with pytest.raises(
            ValueError, match=r'the peer "127\.0\.0\.1:1" is not "http://host:port"'
        ):
            instance.set_peers([address, "127.0.0.1:1"])
    with cache.Instance() as alone:
        assert alone.owner("a") is None
        with pytest.raises(RuntimeError, match="made without peers"):
            alone.serve()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"dialect": "redis"}, 'dialect is "redis"; wanted "golang"'),
        ({"base_path": "/x"}, 'base_path is "/x"; wanted a path with a slash at both ends'),
        ({"replicas": 0}, "replicas is 0"),
        ({"secret": b"s"}, 'a secret is for the dialect "oxbridge" only'),
        ({"dialect": "oxbridge", "secret": b""}, "the secret is empty"),
        ({"timeout": 0}, "timeout is 0; wanted seconds"),
    ]
    for settings, message in wrong:
        with pytest.raises(ValueError, match=message):
            cache.Instance(peers=cache.Peers(**settings))
