"""Functions whose results a cluster keeps: the node that owns the arguments calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from oxbridge._oxbridge import Group
from oxbridge.cache._decorator import Cached, Settings
from oxbridge.cache._stats import Stats

P = ParamSpec("P")
R = TypeVar("R")


class Clustered(Cached[P, R]):
    """What plain and coroutine functions have in common."""

    def __init__(self, function: Callable[P, R], settings: Settings) -> None:
        super().__init__(function, settings)
        if settings.key is not None:
            raise ValueError(
                "cached(key=…) is not for an instance with peers: the node that owns a key calls "
                "the function with the arguments that the key stands for, and can read those of "
                "the default key only"
            )
        instance = settings.instance
        if instance is None:
            raise ValueError("an instance with peers is wanted")
        self._group: Group[Any] = instance.group(
            settings.name,
            self._getter(),
            serializer=settings.serializer or "json",
            max_bytes=settings.max_bytes,
            ttl=settings.ttl,
        )

    def _getter(self) -> Callable[[str], Any]:
        raise NotImplementedError

    def delete(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the result for these arguments, on every node."""
        self._group.delete(self._key(args, kwargs))

    async def adelete(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Do the same in a coroutine."""
        await self._group.adelete(self._key(args, kwargs))

    def cache_clear(self) -> None:
        """Forget all results that this node keeps."""
        self._group.clear()

    def stats(self) -> Stats:
        """Give the numbers of the function's group on this node."""
        return self._group.stats()


class ClusteredFunction(Clustered[P, R]):
    """A plain function, called on a thread of the cache's."""

    def _getter(self) -> Callable[[str], Any]:
        def call(key: str) -> Any:
            args, kwargs = self._arguments.arguments(key)
            return self._function(*args, **kwargs)

        return call

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Give the result for these arguments, from the cluster."""
        result: R = self._group.get(self._key(args, kwargs))
        return result


class ClusteredCoroutine(Clustered[P, Any]):
    """A coroutine function, called on an event loop."""

    def _getter(self) -> Callable[[str], Any]:
        async def call(key: str) -> Any:
            args, kwargs = self._arguments.arguments(key)
            return await self._function(*args, **kwargs)

        return call

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Give the result for these arguments, from the cluster."""
        return await self._group.aget(self._key(args, kwargs))
