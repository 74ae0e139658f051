"""`cached`: a function whose results are kept, by its arguments."""

from __future__ import annotations

import abc
import functools
import sys
import types
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, ParamSpec, Self, TypeVar, overload

from oxbridge.cache._instance import Instance, is_coroutine_function
from oxbridge.cache._keys import ArgumentKeys
from oxbridge.cache._stats import Stats

P = ParamSpec("P")
R = TypeVar("R")


class CacheInfo(NamedTuple):
    """What the cache of one function has done, and what is in it."""

    hits: int
    misses: int
    max_bytes: int
    bytes: int
    items: int


class Settings(NamedTuple):
    """What `cached` was called with."""

    name: str
    key: Callable[..., str | bytes] | None
    ttl: float | None
    max_bytes: int
    size: Callable[[Any], int]
    instance: Instance | None
    serializer: Any


class Cached(abc.ABC, Generic[P, R]):
    """A function whose results are kept; what `cached` makes. Called as the function is."""

    __name__: str
    __wrapped__: Callable[P, R]
    _key: Callable[[tuple[Any, ...], dict[str, Any]], str | bytes]

    def __init__(self, function: Callable[P, R], settings: Settings) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._settings = settings
        self._arguments = ArgumentKeys(function)
        # A call of less for each hit than a method that asks.
        self._key = self._arguments.key if settings.key is None else self._key_by_function

    @abc.abstractmethod
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Give the result for these arguments: kept, or of one call that all who ask wait for."""

    @abc.abstractmethod
    def delete(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the result for these arguments."""

    @abc.abstractmethod
    async def adelete(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Do the same in a coroutine."""

    @abc.abstractmethod
    def cache_clear(self) -> None:
        """Forget all results that this process keeps."""

    @abc.abstractmethod
    def stats(self) -> Stats:
        """Give the numbers of the function's group."""

    def cache_info(self) -> CacheInfo:
        """Give the numbers that `functools.lru_cache` gives, and bytes."""
        stats = self.stats()
        caches = (stats["main"], stats["hot"])
        return CacheInfo(
            hits=stats["cache_hits"] + stats["stale_hits"],
            misses=stats["loads"],
            max_bytes=self._settings.max_bytes,
            bytes=sum(cache["bytes"] for cache in caches),
            items=sum(cache["items"] for cache in caches),
        )

    def _key_by_function(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | bytes:
        # It is there: see above.
        assert self._settings.key is not None  # noqa: S101
        return self._settings.key(*args, **kwargs)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., R]: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        """Be a method of the class that it is defined in."""
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<cached {self._settings.name}>"


@overload
def cached(function: Callable[P, R], /) -> Cached[P, R]: ...
@overload
def cached(
    function: None = None,
    /,
    *,
    ttl: float | None = None,
    key: Callable[..., str | bytes] | None = None,
    max_bytes: int = ...,
    size: Callable[[Any], int] = ...,
    group: str | None = None,
    instance: Instance | None = None,
    serializer: Any = None,
) -> Callable[[Callable[P, R]], Cached[P, R]]: ...
def cached(
    function: Callable[..., Any] | None = None,
    /,
    *,
    ttl: float | None = None,
    key: Callable[..., str | bytes] | None = None,
    max_bytes: int = 64 << 20,
    size: Callable[[Any], int] = sys.getsizeof,
    group: str | None = None,
    instance: Instance | None = None,
    serializer: Any = None,
) -> Any:
    """Keep what a plain or coroutine function returns, by its arguments.

    However many ask for the same arguments at once, the function is called once, and all get what
    it returns or raises; what it raises is not kept. Without peers, results are kept as the objects
    that they are, and the function runs as it would without a cache: in the caller's thread and
    context, or in a task with a copy of the caller's context, which goes on if a caller is
    cancelled.

    With an instance that has peers, results go through a serializer, and the node that owns the
    arguments calls the function, on the threads or the loop that an instance's getters run on.

    Args:
        function: The function, for a decorator without arguments.
        ttl: Seconds that a result is good for. None: until it has to make room.
        key: Makes a key of the arguments, and gets them as the function does. By default it is made
            of None, bool, int, float, str, bytes, and tuples and frozensets of these, by value and
            type; other arguments are a TypeError.
        max_bytes: How many bytes of keys and results are kept.
        size: Says how many bytes a result counts for. By default as `sys.getsizeof` says, which
            does not look into containers.
        group: The name of the function's group. By default the name of the function.
        instance: Where the group is. By default in `default_instance()`.
        serializer: As of `Instance.group`, for an instance with peers. By default "json".

    Raises:
        TypeError: It is no function.
        ValueError: A setting is out of its range, or cannot be had with peers, or without them.
    """
    from oxbridge.cache._clustered import ClusteredCoroutine, ClusteredFunction
    from oxbridge.cache._local import LocalCoroutine, LocalFunction

    def decorate(function: Callable[..., Any]) -> Cached[..., Any]:
        if not callable(function):
            raise TypeError(f"cached is for functions, not for {function!r}")
        name = group or f"{function.__module__}.{function.__qualname__}"
        settings = Settings(name, key, ttl, max_bytes, size, instance, serializer)
        is_async = is_coroutine_function(function)
        if instance is not None and instance.peers is not None:
            return (ClusteredCoroutine if is_async else ClusteredFunction)(function, settings)
        if serializer is not None:
            raise ValueError(
                "serializer is for an instance with peers; without, results are kept as they are"
            )
        return (LocalCoroutine if is_async else LocalFunction)(function, settings)

    return decorate if function is None else decorate(function)
