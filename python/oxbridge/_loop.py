"""The event loop that coroutine handlers run on, in a thread of the server's own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import Callable

from oxbridge._mounted import Mounted
from oxbridge._onloop import OnLoop
from oxbridge._oxbridge import AsgiApp, Core, RsgiApp

logger = logging.getLogger("oxbridge")


class LoopThread:
    """The thread of one server's event loop. It starts before the server and ends after it.

    The loop is the one that `asyncio.new_event_loop` gives, so an event loop policy (uvloop) and
    PYTHONASYNCIODEBUG count. Each handler is a task of its own, in a copy of the context.
    """

    def __init__(self, core: Core, mounted: Mounted | None) -> None:
        """Start the thread, and wait until its loop runs and the application has started.

        Raises:
            StartupFailed: The application failed to start.
        """
        self._core = core
        self._on_loop = OnLoop(mounted)
        self._closing: asyncio.Event
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="oxbridge-asyncio", daemon=True
        )
        self._thread.start()
        try:
            started.result()
        except BaseException:
            # Ctrl-C while the application starts.
            self._abandon()
            raise

    @property
    def app(self) -> AsgiApp | RsgiApp | None:
        """The application that runs here, as the server calls it."""
        return self._on_loop.app

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

    def _run(self, started: concurrent.futures.Future[None]) -> None:
        try:
            # The runner cancels what is left, closes asynchronous generators and the executor.
            with asyncio.Runner() as runner:
                runner.run(self._serve(started))
        except BaseException as error:
            if started.done():
                logger.exception("The event loop of a server failed")
            else:
                started.set_exception(error)

    async def _serve(self, started: concurrent.futures.Future[None]) -> None:
        """Take exchanges until the server has ended."""
        loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        self._closing = asyncio.Event()
        self._loop = loop
        await self._on_loop.startup()
        waiting = self._core.async_fd()
        if waiting is not None:
            loop.add_reader(waiting, self._on_loop.take, self._core)
        started.set_result(None)
        try:
            await self._closing.wait()
        finally:
            if waiting is not None:
                loop.remove_reader(waiting)
            await self._on_loop.shutdown()
