"""Functions whose results are kept in this process, as objects."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from oxbridge._oxbridge import CacheClosed, Group, NotFound
from oxbridge.cache._decorator import Cached, Settings
from oxbridge.cache._default import default_instance
from oxbridge.cache._instance import Instance
from oxbridge.cache._stats import Stats

P = ParamSpec("P")
R = TypeVar("R")

_MISSING: Any = object()
# What whoever waits gets if the caller's thread was interrupted: somebody else must call.
_AGAIN: Any = object()
# The calls that this task or thread is in.
_calling: ContextVar[frozenset[tuple[int, str | bytes]]] = ContextVar(
    "_calling", default=frozenset()
)


class Flight(Future[Any]):
    """A call under way, for those who wait for it. None of them can cancel it."""

    def __init__(self) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()


class Store:
    """The results of one function, and its calls under way."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._instance = settings.instance or default_instance()
        self.group: Group[Any] = _make_group(self._instance, settings)
        self._flights: dict[str | bytes, Flight] = {}
        # A result that makes room may run code of its own, which may call the function.
        self._lock = threading.RLock()

    def begin(self, key: str | bytes) -> tuple[Flight, bool]:
        """Give the call under way, and whether the caller must make it."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = Flight()
            # It may have landed since the caller looked.
            found = self.group._find(key, _MISSING, counted=False)
            if found is not _MISSING:
                flight.set_result(found)
                return flight, False
            self._flights[key] = flight
            return flight, True

    def land(self, key: str | bytes, flight: Flight, value: Any) -> None:
        """Keep a result, unless it was deleted while the function ran, and give it to all."""
        try:
            size = self._settings.size(value)
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                    self.group._keep(key, value, size)
        except BaseException as error:
            self.fail(key, flight, error)
            raise
        flight.set_result(value)

    def fail(self, key: str | bytes, flight: Flight, error: BaseException) -> None:
        """Tell all who wait that the function raised."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
        if isinstance(error, Exception):
            flight.set_exception(error)
        else:
            flight.set_result(_AGAIN)

    def delete(self, key: str | bytes) -> None:
        """Forget a result, also one that is still to come."""
        with self._lock:
            self._flights.pop(key, None)
            self.group.delete(key)

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._flights.clear()
            self.group.clear()

    def forked(self) -> None:
        """In a forked child, where whoever held the lock is not."""
        self._lock = threading.RLock()
        self._flights = {}


def _make_group(instance: Instance, settings: Settings) -> Group[Any]:
    """Make the function's group; functions may share a name, as those that a function makes do."""
    for count in itertools.count(1):
        name = settings.name if count == 1 else f"{settings.name}#{count}"
        if name not in instance.groups:
            break
    return instance._make_group(
        name, _unasked, max_bytes=settings.max_bytes, ttl=settings.ttl, second_tier=False
    )


def _unasked(key: str) -> bytes:
    raise NotFound("the group of a cached function is filled by calls of it")


class Local(Cached[P, R]):
    """What plain and coroutine functions have in common."""

    def __init__(self, function: Callable[P, R], settings: Settings) -> None:
        super().__init__(function, settings)
        self._store: Store | None = None
        self._making = threading.Lock()
        _all.add(self)
        if settings.instance is not None:
            self._store = Store(settings)

    def delete(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the result for these arguments."""
        self._open_store().delete(self._key(args, kwargs))

    async def adelete(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Do the same in a coroutine."""
        self._open_store().delete(self._key(args, kwargs))

    def cache_clear(self) -> None:
        """Forget all results."""
        self._open_store().clear()

    def stats(self) -> Stats:
        """Give the numbers of the function's group."""
        return self._open_store().group.stats()

    def _find(self, key: str | bytes) -> tuple[Store, Any]:
        store = self._store or self._open_store()
        try:
            return store, store.group._find(key, _MISSING)
        except CacheClosed:
            if self._settings.instance is not None:
                raise
        # The default instance was closed, or this is a forked child: there is a new one.
        with self._making:
            if self._store is store:
                self._store = Store(self._settings)
        store = self._open_store()
        return store, store.group._find(key, _MISSING)

    def _open_store(self) -> Store:
        store = self._store
        if store is not None:
            return store
        with self._making:
            if self._store is None:
                self._store = Store(self._settings)
            return self._store

    def _begin(self, store: Store, key: str | bytes) -> tuple[Flight, bool]:
        flight, mine = store.begin(key)
        if not mine and not flight.done() and (id(self), key) in _calling.get():
            raise RuntimeError(
                f"{self._settings.name} calls itself with the arguments it was called with: {key!r}"
            )
        return flight, mine

    def _forked(self) -> None:
        """In a forked child: the threads that load and hold locks are the parent's."""
        self._making = threading.Lock()
        if self._settings.instance is None:
            self._store = None
        elif self._store is not None:
            # Of an instance that can be used no more, which is told without waiting.
            self._store.forked()


class LocalFunction(Local[P, R]):
    """A plain function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Give the result for these arguments: kept, or of one call that all who ask wait for."""
        key = self._key(args, kwargs)
        store, found = self._find(key)
        while found is _MISSING or found is _AGAIN:
            flight, mine = self._begin(store, key)
            found = self._call(store, key, flight, args, kwargs) if mine else flight.result()
        result: R = found
        return result

    def _call(self, store: Store, key: str | bytes, flight: Flight, args: Any, kwargs: Any) -> R:
        calls = _calling.set(_calling.get() | {(id(self), key)})
        try:
            value = self._function(*args, **kwargs)
        except BaseException as error:
            store.fail(key, flight, error)
            raise
        finally:
            _calling.reset(calls)
        store.land(key, flight, value)
        return value


class LocalCoroutine(Local[P, Any]):
    """A coroutine function. Each call of it is a task of its own, which no caller owns."""

    def __init__(self, function: Callable[P, Any], settings: Settings) -> None:
        super().__init__(function, settings)
        self._tasks: set[asyncio.Task[None]] = set()
        if sys.version_info >= (3, 12):
            import inspect

            inspect.markcoroutinefunction(self)
        else:
            # What asyncio and unittest look at before 3.12.
            self._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Give the result for these arguments: kept, or of one call that all who ask wait for."""
        key = self._key(args, kwargs)
        store, found = self._find(key)
        while found is _MISSING or found is _AGAIN:
            flight, mine = self._begin(store, key)
            if mine:
                task = asyncio.create_task(self._call(store, key, flight, args, kwargs))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            found = await asyncio.wrap_future(flight)
        return found

    async def _call(
        self, store: Store, key: str | bytes, flight: Flight, args: Any, kwargs: Any
    ) -> None:
        _calling.set(_calling.get() | {(id(self), key)})
        try:
            value = await self._function(*args, **kwargs)
        except asyncio.CancelledError as error:
            # Those who wait have not been cancelled, and must not take it for that.
            lost = RuntimeError(f"the call of {self._settings.name} was cancelled")
            lost.__cause__ = error
            store.fail(key, flight, lost)
            raise
        except Exception as error:
            store.fail(key, flight, error)
        except BaseException as error:
            store.fail(key, flight, error)
            raise
        else:
            store.land(key, flight, value)


_all: weakref.WeakSet[Local[Any, Any]] = weakref.WeakSet()


def _forked() -> None:
    for function in list(_all):
        function._forked()


os.register_at_fork(after_in_child=_forked)
