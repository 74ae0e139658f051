"""Instances: the groups of one program, and the peers that it shares them with."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Iterable
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from oxbridge._oxbridge import CacheFollowing, CacheInstance, Group
from oxbridge.cache._loops import Loops
from oxbridge.cache._peers import Peers
from oxbridge.cache._redis import Redis
from oxbridge.cache._serializers import Serializer, resolve
from oxbridge.cache._stats import Snapshot, Stats

V = TypeVar("V")


class Instance:
    """Groups, and the peers that share them. Several may live in one process.

    A plain getter runs on one of the instance's own threads, of which there are at most `threads`;
    they are started when they are wanted. A getter may ask for other keys; each that waits for one
    takes a thread meanwhile.

    A coroutine getter runs on the event loop that asked last, as long as it runs, and otherwise
    (asked by plain code, or by another node) on a loop of the instance's own.

    An instance may be used from any thread. It ends with `close`, with `with` or `async with`, or
    with the program. It does not survive a fork: in the child, every use raises `CacheClosed`.
    """

    def __init__(
        self,
        *,
        peers: Peers | None = None,
        second_tier: Redis | None = None,
        threads: int = 256,
    ) -> None:
        self.peers = peers
        """The settings that it was made with."""
        self.second_tier = second_tier
        """What stands between memory and the getters of its groups, if anything does."""
        self._core = CacheInstance(threads, peers)
        self._tier = None if second_tier is None else self._core.tier(second_tier)
        self._loops = Loops()
        self._groups: dict[str, Group[Any]] = {}
        self._followings: list[CacheFollowing] = []

    @overload
    def group(
        self,
        name: str,
        getter: Callable[[str], bytes | Awaitable[bytes]],
        *,
        keys: Literal["str"] = "str",
        serializer: Literal["bytes"] = "bytes",
        max_bytes: int = ...,
        ttl: float | None = None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
    ) -> Group[bytes]: ...
    @overload
    def group(
        self,
        name: str,
        getter: Callable[[bytes], bytes | Awaitable[bytes]],
        *,
        keys: Literal["bytes"],
        serializer: Literal["bytes"] = "bytes",
        max_bytes: int = ...,
        ttl: float | None = None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
    ) -> Group[bytes]: ...
    @overload
    def group(
        self,
        name: str,
        getter: Callable[[str], str | Awaitable[str]],
        *,
        keys: Literal["str"] = "str",
        serializer: Literal["str"],
        max_bytes: int = ...,
        ttl: float | None = None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
    ) -> Group[str]: ...
    @overload
    def group(
        self,
        name: str,
        getter: Callable[[bytes], str | Awaitable[str]],
        *,
        keys: Literal["bytes"],
        serializer: Literal["str"],
        max_bytes: int = ...,
        ttl: float | None = None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
    ) -> Group[str]: ...
    @overload
    def group(
        self,
        name: str,
        getter: Callable[[str], Any],
        *,
        keys: Literal["str"] = "str",
        serializer: Literal["json"],
        max_bytes: int = ...,
        ttl: float | None = None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
    ) -> Group[Any]: ...
    @overload
    def group(
        self,
        name: str,
        getter: Callable[[bytes], Any],
        *,
        keys: Literal["bytes"],
        serializer: Literal["json"],
        max_bytes: int = ...,
        ttl: float | None = None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
    ) -> Group[Any]: ...
    @overload
    def group(
        self,
        name: str,
        getter: Callable[[str], V | Awaitable[V]],
        *,
        keys: Literal["str"] = "str",
        serializer: Serializer[V],
        max_bytes: int = ...,
        ttl: float | None = None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
    ) -> Group[V]: ...
    @overload
    def group(
        self,
        name: str,
        getter: Callable[[bytes], V | Awaitable[V]],
        *,
        keys: Literal["bytes"],
        serializer: Serializer[V],
        max_bytes: int = ...,
        ttl: float | None = None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
    ) -> Group[V]: ...
    def group(
        self,
        name: str,
        getter: Callable[[Any], Any],
        *,
        keys: Literal["str", "bytes"] = "str",
        serializer: Any = "bytes",
        max_bytes: int = 64 << 20,
        ttl: float | None = None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
    ) -> Group[Any]:
        """Make a group.

        Args:
            name: The same on every node; no slash.
            getter: A plain or a coroutine function that loads the value of a key. It raises
                `NotFound` if there is none; what else it raises reaches those who asked, and is not
                kept.
            keys: What the getter takes. Callers may ask by str or bytes; a str is its UTF-8.
            serializer: What values are: "bytes"; "str"; "json"; or an object with `dumps` and
                `loads`, which gives each caller a value of its own.
            max_bytes: How many bytes of keys and values this node keeps. Each entry takes some 150
                bytes besides.
            ttl: Seconds that a value is good for. None: until it has to make room.
            negative_ttl: Seconds for which it is remembered that there is no value. None: it is
                not.
            stale_for: Seconds after its end for which a value is still given, while one load brings
                a new one.

        Raises:
            CacheClosed: The instance is closed.
            TypeError: The getter cannot be called, or the serializer is none.
            ValueError: There is a group of this name, or a setting is out of its range.
        """
        return self._make_group(
            name,
            getter,
            keys=keys,
            serializer=serializer,
            max_bytes=max_bytes,
            ttl=ttl,
            negative_ttl=negative_ttl,
            stale_for=stale_for,
        )

    def _make_group(
        self,
        name: str,
        getter: Callable[[Any], Any],
        *,
        keys: str = "str",
        serializer: Any = "bytes",
        max_bytes: int,
        ttl: float | None,
        negative_ttl: float | None = None,
        stale_for: float = 0,
        second_tier: bool = True,
    ) -> Group[Any]:
        # Without the second tier where what is kept are objects of this process.
        if not callable(getter):
            raise TypeError(f"the getter of the group {name!r} is {getter!r}; wanted a function")
        group: Group[Any] = self._core.group(
            name,
            getter,
            is_coroutine_function(getter),
            keys,
            resolve(serializer),
            self._loops,
            max_bytes,
            ttl,
            negative_ttl,
            stale_for,
            self._tier if second_tier else None,
        )
        self._groups[name] = group
        return group

    def remove_group(self, name: str) -> None:
        """Forget a group: peers that ask for it are told that there is none.

        Raises:
            KeyError: There is none.
        """
        del self._groups[name]
        self._core.remove_group(name)

    @property
    def groups(self) -> dict[str, Group[Any]]:
        """Every group by its name; a copy."""
        return dict(self._groups)

    def set_peers(self, addresses: Iterable[str]) -> None:
        """Say who shares the keys, this node included, in place of what was said before.

        Addresses are written as on every other node: they decide who owns a key. See `Peers.me`.

        Raises:
            ValueError: An address is not what the dialect wants, or this node's own is not in the
                list, or the instance was made without peers. Nothing changes then.
        """
        self._core.set_peers(list(addresses))

    def follow(
        self,
        *,
        dns: str | None = None,
        file: str | PathLike[str] | None = None,
        registry: bool = False,
        every: float = 5.0,
    ) -> CacheFollowing:
        """Take the list of peers from elsewhere, now and whenever it is another one.

        What cannot be read, or is no list with this node in it, changes nothing and is logged
        once. It ends with `close` of what this returns, or with the instance.

        Args:
            dns: A name and a port: each of its addresses is a node, as in a headless service of
                Kubernetes.
            file: A file with an address on each line; "#" begins a remark. Replace it by renaming.
            registry: In the second tier every node registers itself. One that leaves is gone at
                once, one that crashed after three times `every`, which is the same on every node.
            every: Seconds after which it is looked for again.

        Raises:
            RuntimeError: The node does not know its own address yet: call `serve` first.
            ValueError: Not exactly one source is given, or there is no second tier, or no peers.
        """
        if registry and self._tier is None:
            raise ValueError("a registry needs a second tier: Instance(second_tier=Redis(…))")
        tier = self._tier if registry else None
        following = self._core.follow(every, dns, file, tier)
        self._followings.append(following)
        return following

    @property
    def is_listening(self) -> bool:
        """Whether changes in the second tier are told, so that memory is believed.

        True without a second tier.
        """
        return self._tier is None or self._tier.is_listening

    def owner(self, key: str | bytes) -> str | None:
        """Give the address of the node that owns a key; None without peers."""
        return self._core.owner(key)

    def serve(self, bind: str = "127.0.0.1:0") -> str:
        """Answer peers on a port, from now on; return this node's address for the lists of peers.

        Whoever reaches the port can read every key and, but for one dialect, change it, unless
        there is a secret: Go's protocols have no credentials. It belongs on a network of its own.

        Raises:
            OSError: It cannot listen there.
            RuntimeError: The instance has no peers, or serves already.
            ValueError: The address is none, or, without `Peers.me`, none that others can reach.
        """
        return self._core.serve(bind)

    def stats(self) -> dict[str, Stats]:
        """Give the numbers of every group, by its name; `json.dumps` takes them."""
        return {name: group.stats() for name, group in self.groups.items()}

    def snapshot(self) -> Snapshot | None:
        """Give what this node is and does: groups, nodes, shares, latencies.

        None while it does not know its own address. `oxbridge cache top` shows the same, and
        `GET /_groupcache/?snapshot` on the port of a node gives it as JSON.
        """
        told = self._core.snapshot()
        snapshot: Snapshot | None = None if told is None else json.loads(told)
        return snapshot

    def prometheus(self) -> str:
        """Give the same in Prometheus' text format, as `GET /_groupcache/?metrics` does."""
        return self._core.prometheus()

    @property
    def closed(self) -> bool:
        """Whether it can be used no more: it was closed, or this process is a forked child."""
        return self._core.closed

    def close(self, timeout: float = 1.0) -> None:
        """Stop to answer peers, and give up what is being loaded: who waits gets `CacheClosed`.

        Peers whose questions are under way have `timeout` seconds. Getters that run are not waited
        for. A second call does nothing.
        """
        while self._followings:
            self._followings.pop().close()
        self._core.close(timeout)
        if not self._core.of_parent:
            self._loops.close()

    async def aclose(self, timeout: float = 1.0) -> None:  # noqa: ASYNC109
        """Do the same without stopping the event loop."""
        import asyncio

        await asyncio.to_thread(self.close, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<Instance groups={sorted(self._groups)}{state}>"


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Say whether a call gives a coroutine: also of an object with an `async def __call__`."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004
    )
