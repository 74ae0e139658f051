"""One run of a server on the event loop of whoever awaits it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from oxbridge._life import GRACE, STEP
from oxbridge._onloop import OnLoop
from oxbridge._oxbridge import Core, Tls
from oxbridge.eventloop import ReactorSelector, WakeOnSignal
from oxbridge.mux import Mux

logger = logging.getLogger("oxbridge")

# How often a server shows that it makes progress, in seconds.
BEAT = 1.0


class LoopRun:
    """A server whose coroutines run on the loop that awaits `run`, from its start to its end.

    On a loop of `oxbridge.eventloop`, with an application alone, that loop drives the server; on
    any other (asyncio's own, uvloop) the server has threads of its own, as it has for handlers that
    may block.
    """

    core: Core
    """From when it starts on."""

    heartbeat: Callable[[], None] | None = None
    """Called about once a second on the loop."""

    def __init__(
        self,
        mux: Mux,
        binds: Sequence[str],
        tls: Tls | None,
        options: Callable[[], dict[str, Any]],
        *,
        shutdown_timeout: float,
        on_max_requests: Callable[[], None] | None = None,
    ) -> None:
        """Describe it. `shutdown_timeout` is the time for requests if the run is cancelled."""
        self._mux = mux
        self._binds = list(binds)
        self._tls = tls
        self._options = options
        self._shutdown_timeout = shutdown_timeout
        self._on_max_requests = on_max_requests
        self.done = threading.Event()
        """Set once all has ended, or is no longer waited for."""
        self.started = False
        """Whether requests are answered, or were."""
        self.stopping = False
        """Whether the stop has been ordered."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop that it runs on, once it does."""
        self.clean = True
        """False if a handler goes on after the end."""
        # How long there is to stop. Thread-safe and re-entrant, as signal handlers want it.
        self._orders: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._ordered: asyncio.Event

    def begin_stop(self, timeout: float) -> None:
        """Order the stop and return at once; any thread may call it, and a signal handler.

        A later call can only shorten the time. Before the run it counts from the run's start on.
        """
        self.stopping = True
        self._orders.put(timeout)
        if self.started:
            self.core.begin_stop(timeout)
        if self.loop is not None:
            call_soon(self.loop, self._ordered.set)

    def wait(self) -> None:
        """Wait for the end, in another thread than the loop's."""
        self._check_thread()
        self.done.wait()

    def wait_stopped(self) -> bool:
        """Wait for the end of a stop; False if a handler still runs."""
        self._check_thread()
        self.done.wait()
        return self.clean

    async def run(self, ready: Callable[[list[str]], None] | None = None) -> None:
        """Start, serve until the stop is ordered, let what runs finish, and end.

        A cancellation is an order to stop too: requests may finish within the shutdown timeout, and
        another cancellation cuts them; `CancelledError` is raised at the end.

        Args:
            ready: Gets the addresses once requests are answered.

        Raises:
            OSError: An address cannot be listened on.
            StartupFailed: The application failed to start.
        """
        try:
            await self._run(ready)
        finally:
            self.stopping = True
            self.done.set()

    async def _run(self, ready: Callable[[list[str]], None] | None) -> None:
        loop = asyncio.get_running_loop()
        self._ordered = asyncio.Event()
        self.loop = loop
        if not self._orders.empty():
            self._ordered.set()
        on_loop = OnLoop(self._mux._mounted)
        await on_loop.startup()
        try:
            drive = self._start(loop, on_loop)
        except BaseException:
            await on_loop.shutdown()
            raise
        beating = loop.create_task(self._beat())
        # Woken for signals, whose handlers would wait for the end of a turn.
        waking = WakeOnSignal(loop) if isinstance(drive, _Reactor) else contextlib.nullcontext()
        try:
            with waking:
                if ready is not None:
                    ready(self.core.addresses)
                cancelled = await self._until_ordered()
                await self._finished(loop.create_task(self._end(drive, on_loop)), cancelled)
        finally:
            # Only what broke in on the wait leaves anything to cut.
            beating.cancel()
            self.core.begin_stop(0)
            drive.close()

    def _start(self, loop: asyncio.AbstractEventLoop, on_loop: OnLoop) -> _Reactor | _Crew:
        """Bind, and have the server and the loop know of each other."""
        selector = getattr(loop, "_selector", None)
        # Plain handlers may block, which the loop's thread must not.
        driven = (
            isinstance(selector, ReactorSelector)
            and not selector.serving
            and on_loop.app is not None
            and not self._mux.patterns
        )
        core = Core(
            self._mux._mux,
            self._binds,
            self._tls,
            self._options(),
            self._on_max_requests,
            driven=driven,
        )
        self._mux._start(core, on_loop.app)
        self.core = core
        self.started = True
        if isinstance(selector, ReactorSelector) and driven:
            return _Reactor(core, loop, selector)
        return _Crew(core, loop, on_loop)

    async def _until_ordered(self) -> asyncio.CancelledError | None:
        """Wait for the order to stop; return the cancellation, if it was one."""
        try:
            await self._ordered.wait()
        except asyncio.CancelledError as error:
            self.begin_stop(self._shutdown_timeout)
            return error
        return None

    async def _finished(
        self, ending: asyncio.Task[None], cancelled: asyncio.CancelledError | None
    ) -> None:
        """Wait for the end; then raise the cancellation, if there was one."""
        times = 0 if cancelled is None else 1
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError as error:
                if ending.cancelled():
                    raise
                cancelled = error
                times += 1
                self.begin_stop(self._shutdown_timeout if times == 1 else 0)
                if times > 2:
                    # The application does not come to an end by itself.
                    ending.cancel()
        if cancelled is not None:
            raise cancelled

    async def _end(self, drive: _Drive, on_loop: OnLoop) -> None:
        """Let what runs finish, then end the application."""
        deadline = self._shortened(float("inf"))
        self.clean = await drive.drained(deadline, self._shortened)
        finished = await on_loop.finish(self._shortened(deadline), self._shortened)
        self.clean = self.clean and finished
        if not self.clean:
            logger.warning("A handler still runs although its server has stopped")
        await on_loop.shutdown()

    def _shortened(self, deadline: float) -> float:
        """Return the deadline, brought forward by the orders that have come."""
        while not self._orders.empty():
            timeout = self._orders.get()
            self.core.begin_stop(timeout)
            deadline = min(deadline, time.monotonic() + timeout)
            self._deadline = deadline
        return min(deadline, self._deadline)

    _deadline = float("inf")

    async def _beat(self) -> None:
        while True:
            if self.heartbeat is not None:
                self.heartbeat()
            await asyncio.sleep(BEAT)

    def _check_thread(self) -> None:
        if self.loop is not None and asyncio._get_running_loop() is self.loop:
            raise RuntimeError(
                "the server runs on this very event loop, which cannot wait for it here: call "
                "begin_stop, and await serve()"
            )


class _Drive(Protocol):
    """How the server and the loop work together."""

    async def drained(self, deadline: float, shortened: Callable[[float], float]) -> bool:
        """Wait until the server has stopped, which it has soon after the deadline, or it hangs."""

    def close(self) -> None:
        """Part them."""


class _Reactor:
    """A server whose turns the event loop takes."""

    def __init__(
        self, core: Core, loop: asyncio.AbstractEventLoop, selector: ReactorSelector
    ) -> None:
        self._selector = selector
        self._stopped = asyncio.Event()
        selector.serve(core, loop, self._stopped.set)

    async def drained(self, deadline: float, shortened: Callable[[float], float]) -> bool:
        return await _wait(self._stopped, deadline, shortened)

    def close(self) -> None:
        self._selector.leave()


class _Crew:
    """A server with threads of its own, which leaves what the loop shall do in a queue."""

    def __init__(self, core: Core, loop: asyncio.AbstractEventLoop, on_loop: OnLoop) -> None:
        self._loop = loop
        self._fd = core.async_fd()
        self._core = core
        self._stopped = asyncio.Event()
        if self._fd is not None:
            loop.add_reader(self._fd, on_loop.take, core)

    async def drained(self, deadline: float, shortened: Callable[[float], float]) -> bool:
        # A thread of its own: those of the loop's executor may all be busy with what is drained.
        threading.Thread(target=self._watch, name="oxbridge-stop", daemon=True).start()
        return await _wait(self._stopped, deadline, shortened)

    def close(self) -> None:
        # RuntimeError: the loop has closed before the server has.
        with contextlib.suppress(RuntimeError):
            if self._fd is not None:
                self._loop.remove_reader(self._fd)

    def _watch(self) -> None:
        self._core.wait()
        call_soon(self._loop, self._stopped.set)


async def _wait(
    stopped: asyncio.Event, deadline: float, shortened: Callable[[float], float]
) -> bool:
    """Wait for the end of a server; False if it does not come soon after the deadline."""
    while not stopped.is_set():
        if time.monotonic() > deadline + GRACE:
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), STEP)
        deadline = shortened(deadline)
    return True


def call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> None:
    """Have a loop call a function, from any thread."""
    # RuntimeError: the loop has closed, and there is nothing left to do on it.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
