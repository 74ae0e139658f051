"""The event loop that coroutine handlers run on, in a thread of the server's own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from oxbridge._oxbridge import (
    BadBody,
    BodyTimeout,
    BodyTooLarge,
    ClientGone,
    Core,
    Request,
    ResponseWriter,
)

logger = logging.getLogger("oxbridge")


class LoopThread:
    """The thread of one server's event loop. It starts with the server and ends after it.

    The loop is the one that `asyncio.new_event_loop` gives, so an event loop policy (uvloop) and
    PYTHONASYNCIODEBUG count. Each handler is a task of its own, in a copy of the context.
    """

    def __init__(self, core: Core) -> None:
        """Start the thread and wait until its loop runs."""
        self._core = core
        # The handlers that wait for something. Only the loop's own thread touches it.
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="oxbridge-asyncio", daemon=True
        )
        self._thread.start()
        started.result()

    def cancel_handlers(self) -> None:
        """Cancel every handler, as at the end of a drain."""
        self._soon(self._cancel)

    def wait_idle(self, seconds: float) -> bool:
        """Wait until no handler runs; False if one still does after that time."""

        async def idle() -> bool:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=seconds)
            return not self._tasks

        if not self._thread.is_alive():
            return True
        waiting = asyncio.run_coroutine_threadsafe(idle(), self._loop)
        try:
            # Longer, for a handler that blocks the loop: then nobody there looks at the time.
            return waiting.result(2 * seconds)
        except concurrent.futures.TimeoutError:
            waiting.cancel()
            return False

    def close(self, seconds: float) -> bool:
        """End the loop and its thread; what still runs is cancelled. False if it does not end."""
        self._soon(self._closing.set)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _soon(self, call: Callable[[], None]) -> None:
        # RuntimeError: the loop has closed, and with it everything that could be told.
        with contextlib.suppress(RuntimeError):
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
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        waiting = self._core.async_fd()
        self._loop.add_reader(waiting, self._take)
        started.set_result(None)
        try:
            await self._closing.wait()
        finally:
            self._loop.remove_reader(waiting)

    def _take(self) -> None:
        """Start the handlers of all exchanges that wait."""
        for fn, w, req in self._core.take_async():
            task = _start(self._loop, _handle(fn, w, req))
            if not task.done():
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel("the server stops")


async def _handle(
    fn: Callable[[ResponseWriter, Request], Any], w: ResponseWriter, req: Request
) -> None:
    """Run one handler and see to it that its exchange ends, whatever becomes of it."""
    try:
        await fn(w, req)
        w.finish()
    except asyncio.CancelledError:
        w.fail(503)
        # A handler may also end like this by itself, having awaited something that was cancelled.
        if _is_cancelled():
            raise
        logger.exception("A handler of %r awaited something that was cancelled", req.pattern)
    except GeneratorExit:
        # The interpreter takes the coroutine away; nothing may be awaited or logged from here.
        w.fail(503)
        raise
    except ClientGone:
        logger.debug("A client left before %r had answered", req.pattern)
        w.fail(500)
    except BodyTooLarge:
        w.fail(413)
    except BadBody:
        w.fail(400)
    except BodyTimeout:
        w.fail(408)
    except OSError as error:
        # What `serve_file` raises knows its answer.
        status = getattr(error, "_oxbridge_status", 500)
        if status == 500:
            logger.exception("The handler of %r failed on %s %s", req.pattern, req.method, req.path)
        w.fail(status)
    except BaseException:
        # SystemExit and KeyboardInterrupt too: a handler does not end the server.
        logger.exception("The handler of %r failed on %s %s", req.pattern, req.method, req.path)
        w.fail(500)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


if sys.version_info >= (3, 12):
    # Stepped at once: a handler that waits for nothing has answered when this returns.
    _start = asyncio.eager_task_factory
else:

    def _start(
        loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        return loop.create_task(coro)
