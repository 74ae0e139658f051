"""The event loop that coroutine handlers run on, in a thread of the server's own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import Callable

from oxbridge._life import GRACE
from oxbridge._onloop import OnLoop
from oxbridge._oxbridge import AsgiApp, Core, RsgiApp
from oxbridge.eventloop import ReactorSelector, new_event_loop
from oxbridge.mux import Mux

logger = logging.getLogger("oxbridge")


class LoopThread:
    """The thread of one server's event loop. It starts before the server and ends after it.

    The loop is the one that `asyncio.new_event_loop` gives, so an event loop policy (uvloop) and
    PYTHONASYNCIODEBUG count. Each handler is a task of its own, in a copy of the context. If the
    loop is asyncio's own and nothing of the server may block, its thread drives the server;
    otherwise the server has threads of its own.
    """

    driver: Callable[..., object] | None = None
    """What starts a handler in the turns of a server that this thread drives; None if it does not
    drive it."""

    def __init__(self, mux: Mux, *, reactors: int) -> None:
        """Describe it.

        Args:
            mux: What is served.
            reactors: How many threads the server has for its sockets.
        """
        self._on_loop = OnLoop(mux._mounted)
        if reactors == 1 and not mux._may_block and _is_stock():
            self.driver = self._on_loop.start
        self._core: Core
        self._closing: asyncio.Event
        self._stopped: asyncio.Event
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        # Set once a server that is driven has stopped.
        self._drained = threading.Event()
        self._thread = threading.Thread(target=self._run, name="oxbridge-asyncio", daemon=True)
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()

    @property
    def app(self) -> AsgiApp | RsgiApp | None:
        """The application that runs here, as the server calls it."""
        return self._on_loop.app

    def start(self, core: Core) -> None:
        """Start the thread, and wait until its loop runs and the application has started.

        Args:
            core: The server, made with `driver`. It starts after this, and then `serve` is called.

        Raises:
            StartupFailed: The application failed to start.
        """
        self._core = core
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            # Ctrl-C while the application starts.
            self._abandon()
            raise

    def serve(self) -> None:
        """Drive the server from now on, if that is how it is: it has started.

        Raises:
            OSError: There is no descriptor left for it.
        """
        if self.driver is not None and self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._drive(), self._loop).result()

    def wait_drained(self, seconds: float) -> bool:
        """Wait until the server has stopped; False if that takes longer than so many seconds."""
        if self.driver is not None and self._thread.is_alive():
            # Not by the server itself, which would have this thread drive it meanwhile.
            return self._drained.wait(seconds)
        return self._core.wait(seconds)

    def cancel_handlers(self) -> None:
        """Cancel every handler, as at the end of a drain."""
        self._soon(self._on_loop.cancel)

    def wait_idle(self, seconds: float) -> bool:
        """Wait until no handler runs; False if one still does after that time."""
        if self._loop is None or not self._thread.is_alive():
            return True
        waiting = asyncio.run_coroutine_threadsafe(self._on_loop.idle(seconds), self._loop)
        try:
            # Longer, for a handler that blocks the loop: then nobody there looks at the time.
            return waiting.result(2 * seconds)
        except concurrent.futures.TimeoutError:
            waiting.cancel()
            return False

    def close(self, seconds: float) -> bool:
        """End the application, the loop and its thread; what still runs is cancelled.

        False if that takes longer than so many seconds.
        """
        self._soon(self._closing.set)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _abandon(self) -> None:
        """End the thread, whatever it is at; nobody waits for that."""
        if self._main is not None:
            self._soon(self._main.cancel)

    def _soon(self, call: Callable[[], object]) -> None:
        # RuntimeError: the loop has closed, and with it everything that could be told.
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call)

    def _run(self) -> None:
        try:
            # The runner cancels what is left, closes asynchronous generators and the executor.
            factory = None if self.driver is None else new_event_loop
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._started.done():
                logger.exception("The event loop of a server failed")
            else:
                self._started.set_exception(error)

    async def _serve(self) -> None:
        """Take exchanges until the server has ended."""
        loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        self._closing = asyncio.Event()
        self._stopped = asyncio.Event()
        self._loop = loop
        await self._on_loop.startup()
        waiting = self._core.async_fd()
        if waiting is not None:
            loop.add_reader(waiting, self._on_loop.take, self._core)
        self._started.set_result(None)
        try:
            await self._closing.wait()
        finally:
            if waiting is not None:
                loop.remove_reader(waiting)
            await self._leave()
            await self._on_loop.shutdown()

    async def _drive(self) -> None:
        loop = asyncio.get_running_loop()
        _selector(loop).serve(self._core, loop, self._has_stopped)

    def _has_stopped(self) -> None:
        self._stopped.set()
        self._drained.set()

    async def _leave(self) -> None:
        """Drive the server no more; what it still has is cut before."""
        selector = _selector(asyncio.get_running_loop()) if self.driver is not None else None
        if selector is not None and selector.serving:
            self._core.begin_stop(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), GRACE)
            selector.leave()


def _is_stock() -> bool:
    """Whether this program's event loops are asyncio's own, whose selector can be the server."""
    loop = asyncio.new_event_loop()
    loop.close()
    return type(loop) is asyncio.SelectorEventLoop


def _selector(loop: asyncio.AbstractEventLoop) -> ReactorSelector:
    selector: ReactorSelector = loop._selector  # type: ignore[attr-defined]
    return selector
