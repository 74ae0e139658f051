"""The event loops that coroutine getters run on, and that coroutines wait on."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Protocol

from oxbridge._oxbridge import CacheWakeups


class Delivery(Protocol):
    """Takes what came of a load, once."""

    def value(self, value: Any) -> None:
        """Give what the getter returned."""

    def error(self, error: BaseException) -> None:
        """Give what the getter raised."""


# The instance's loops, the group and the key that this task loads.
_loading: ContextVar[tuple[Loops, str, str | bytes] | None] = ContextVar("_loading", default=None)
# How the loops of this process are woken; each is there as long as its loop.
_wakeups: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, CacheWakeups] = (
    weakref.WeakKeyDictionary()
)


class Loops:
    """The loops of one instance."""

    def __init__(self) -> None:
        self._asked: weakref.ref[asyncio.AbstractEventLoop] | None = None
        self._own: OwnLoop | None = None
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def waiting(
        self, group: str
    ) -> tuple[CacheWakeups, Callable[[], asyncio.Future[None]], str | bytes | None]:
        """Give what a coroutine on the running loop waits with, and the key of `group` it loads."""
        loop = asyncio.get_running_loop()
        self._asked = weakref.ref(loop)
        wakeups = _wakeups.get(loop)
        if wakeups is None:
            wakeups = _wakeups[loop] = CacheWakeups()
            loop.add_reader(wakeups.fileno(), wakeups.wake)
        loading = _loading.get()
        if loading is not None and loading[0] is self and loading[1] == group:
            return wakeups, loop.create_future, loading[2]
        return wakeups, loop.create_future, None

    def launch(
        self,
        getter: Callable[[Any], Awaitable[Any]],
        group: str,
        key: str | bytes,
        delivery: Delivery,
    ) -> None:
        """Have a loop run a coroutine getter. Called on any thread."""

        async def load() -> None:
            _loading.set((self, group, key))
            try:
                value = await getter(key)
            except asyncio.CancelledError as error:
                # Whoever waits has not been cancelled, and must not take it for that.
                lost = RuntimeError(f"the getter of the group {group!r} was cancelled")
                lost.__cause__ = error
                delivery.error(lost)
                raise
            except BaseException as error:
                delivery.error(error)
                if not isinstance(error, Exception):
                    raise
            else:
                delivery.value(value)

        def begin() -> None:
            task = loop.create_task(load())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        loop = self._loop()
        try:
            loop.call_soon_threadsafe(begin)
        except RuntimeError:
            # It was closed just now.
            loop = self._own_loop()
            loop.call_soon_threadsafe(begin)

    def close(self) -> None:
        """End the instance's own loop, if it has one."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.close()

    def _loop(self) -> asyncio.AbstractEventLoop:
        """Give the loop that asked last, if it runs; else one of our own."""
        asked = self._asked() if self._asked is not None else None
        if asked is not None and asked.is_running():
            return asked
        return self._own_loop()

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._own is None:
                self._own = OwnLoop()
            return self._own.loop


class OwnLoop:
    """A loop on a thread of its own, which ends with the process at the latest."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._closed = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="oxbridge-cache-loop", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # Ends what still runs on the loop, too.
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        await self._closed.wait()

    def close(self) -> None:
        """Cancel what runs on the loop, and end it."""
        self.loop.call_soon_threadsafe(self._closed.set)
        if threading.current_thread() is not self._thread:
            self._thread.join()
