"""One run of a server on the event loop of whoever awaits it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from oxbridge._drive import Crew, Drive, Reactor, call_soon
from oxbridge._life import BEAT, STEP
from oxbridge._onloop import OnLoop
from oxbridge._oxbridge import Core, Tls
from oxbridge.eventloop import ReactorSelector, WakeOnSignal
from oxbridge.mux import Mux

logger = logging.getLogger("oxbridge")


class LoopRun:
    """A server whose coroutines run on the loop that awaits `run`, from its start to its end.

    On a loop of `oxbridge.eventloop`, with nothing that may block, that loop drives the server; on
    any other (asyncio's own, uvloop) the server has threads of its own, as it has for handlers that
    may block.
    """

    core: Core
    """From when it starts on."""

    heartbeat: Callable[[], None] | None = None
    """Called about once a second on the loop."""

    last: Callable[[Callable[[], float]], Awaitable[bool]] | None = None
    """Awaited when no request is left here, before the application is told of the end, with what
    gives the deadline on the monotonic clock; False if something still runs."""

    def __init__(
        self,
        mux: Mux,
        binds: Sequence[str],
        tls: Tls | None,
        options: Callable[[], dict[str, Any]],
        *,
        shutdown_timeout: float,
        on_max_requests: Callable[[], None] | None = None,
        elsewhere: LoopRun | None = None,
    ) -> None:
        """Describe it.

        Args:
            mux: What is served.
            binds: Where.
            tls: The certificates, if there are any.
            options: Gives the options of the server underneath, for one start.
            shutdown_timeout: The time for requests if the run is cancelled.
            on_max_requests: Called when the option max_requests has been reached.
            elsewhere: The run of the same application that starts and ends it, if that is another
                one, on another loop. It serves already when this one begins.
        """
        self._mux = mux
        self._binds = list(binds)
        self._tls = tls
        self._options = options
        self._shutdown_timeout = shutdown_timeout
        self._on_max_requests = on_max_requests
        self._on_loop: OnLoop = OnLoop(
            mux._mounted, None if elsewhere is None else elsewhere._on_loop
        )
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
        self._deadline = float("inf")

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
        on_loop = self._on_loop
        if not await self._startup(loop.create_task(on_loop.startup())):
            return
        try:
            drive = self._start(loop, on_loop)
        except BaseException:
            await on_loop.shutdown()
            raise
        # A timer costs something at every turn, so there is none where nobody listens.
        beat = self.heartbeat
        beating = loop.create_task(_beat(beat)) if beat is not None else None
        # Woken for signals, whose handlers would wait for the end of a turn.
        waking = WakeOnSignal(loop) if isinstance(drive, Reactor) else contextlib.nullcontext()
        try:
            with waking:
                if ready is not None:
                    ready(self.core.addresses)
                cancelled = await self._until_ordered()
                await self._finished(loop.create_task(self._end(drive, on_loop)), cancelled)
        finally:
            # Only what broke in on the wait leaves anything to cut.
            if beating is not None:
                beating.cancel()
            self.core.begin_stop(0)
            drive.close()

    async def _startup(self, starting: asyncio.Task[None]) -> bool:
        """Wait for the application's start; False if the stop was ordered and it took too long."""
        ordered = asyncio.ensure_future(self._ordered.wait())
        try:
            await asyncio.wait([starting, ordered], return_when=asyncio.FIRST_COMPLETED)
            while not starting.done():
                left = self._shortened(float("inf")) - time.monotonic()
                if left <= 0:
                    return False
                await asyncio.wait([starting], timeout=min(STEP, left))
        finally:
            ordered.cancel()
            if not starting.done():
                starting.cancel("the server stops")
                await asyncio.wait([starting])
        await starting
        return True

    def _start(self, loop: asyncio.AbstractEventLoop, on_loop: OnLoop) -> Reactor | Crew:
        """Bind, and have the server and the loop know of each other."""
        selector = getattr(loop, "_selector", None)
        # What may block must not do so on the loop's thread.
        driven = (
            isinstance(selector, ReactorSelector)
            and not selector.serving
            and self._mux._needs_loop
            and not self._mux._may_block
        )
        core = Core(
            self._mux._mux,
            self._binds,
            self._tls,
            self._options(),
            self._on_max_requests,
            driver=on_loop.start if driven else None,
        )
        self._mux._start(core, on_loop.app)
        self.core = core
        self.started = True
        if isinstance(selector, ReactorSelector) and driven:
            return Reactor(core, loop, selector)
        return Crew(core, loop, on_loop)

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
        ending.result()
        if cancelled is not None:
            raise cancelled

    async def _end(self, drive: Drive, on_loop: OnLoop) -> None:
        """Let what runs finish, then end the application."""
        deadline = self._shortened(float("inf"))
        # Orders that came before there was a server have not reached it.
        self.core.begin_stop(max(deadline - time.monotonic(), 0))
        self.clean = await drive.drained(deadline, self._shortened)
        finished = await on_loop.finish(self._shortened(deadline), self._shortened)
        self.clean = self.clean and finished
        if self.last is not None:
            ended = await self.last(lambda: self._shortened(deadline))
            self.clean = self.clean and ended
        if not self.clean:
            logger.warning("A handler still runs although its server has stopped")
        await on_loop.shutdown()

    def _shortened(self, deadline: float) -> float:
        """Return the deadline, brought forward by the orders that have come."""
        while not self._orders.empty():
            timeout = self._orders.get()
            if self.started:
                self.core.begin_stop(timeout)
            deadline = min(deadline, time.monotonic() + timeout)
        self._deadline = min(deadline, self._deadline)
        return self._deadline

    def _check_thread(self) -> None:
        if self.loop is not None and asyncio._get_running_loop() is self.loop:
            raise RuntimeError(
                "the server runs on this very event loop, which cannot wait for it here: call "
                "begin_stop, and await serve()"
            )


async def _beat(beat: Callable[[], None]) -> None:
    while True:
        beat()
        await asyncio.sleep(BEAT)
