"""What of a server runs on an event loop: coroutine handlers, and an ASGI or RSGI application."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from oxbridge._asgi import Lifespan, run_on, task_starter, websockets
from oxbridge._life import GRACE, STEP
from oxbridge._mounted import Mounted
from oxbridge._oxbridge import (
    AsgiApp,
    BadBody,
    BodyTimeout,
    BodyTooLarge,
    ClientGone,
    Core,
    Request,
    ResponseWriter,
    RsgiApp,
)
from oxbridge._rsgi import RsgiLife

logger = logging.getLogger("oxbridge")


class OnLoop:
    """One server's coroutines on one loop: their start, their tasks, their end.

    It belongs to the loop that `startup` runs on, and is used by that loop's thread only.
    """

    app: AsgiApp | RsgiApp | None = None
    """The application as the server calls it, once it has started; None if there is none."""

    def __init__(self, mounted: Mounted | None, elsewhere: OnLoop | None = None) -> None:
        """Take the application, if there is one and it runs on a loop.

        Args:
            mounted: The application.
            elsewhere: The same application on the loop that starts and ends it, if that is another
                one: its requests here get the state that its start there has left.
        """
        self.tasks: set[asyncio.Task[Any]] = set()
        """Tasks that wait for something."""
        self._mounted = mounted if mounted is not None and mounted.on_loop else None
        self._elsewhere = elsewhere
        self._life: Lifespan | RsgiLife | None = None
        self._state: dict[str, Any] | None = None
        self._start_task: Callable[..., asyncio.Task[Any]]
        self._keywords: dict[str, Any]

    async def startup(self) -> None:
        """Start the application; it is then ready for requests.

        Raises:
            StartupFailed: It refused.
        """
        loop = asyncio.get_running_loop()
        self._start_task, self._keywords = task_starter(loop)
        if self._mounted is None:
            return
        app, settings = self._mounted.app, self._mounted.settings
        if self._mounted.interface == "asgi":
            if self._elsewhere is not None:
                self._state = self._elsewhere._state
            else:
                self._state = await self._start_lifespan(app, settings.lifespan)
            self.app = AsgiApp(app, self._state, settings.root_path, websockets(settings))
        else:
            life = RsgiLife(app, loop)
            if self._elsewhere is None:
                await life.startup()
                self._life = life
            self.app = RsgiApp(life.application, websockets(settings))
        run_on(self.app, loop, self.tasks)

    async def _start_lifespan(self, app: Callable[..., Any], mode: str) -> dict[str, Any] | None:
        """Start an ASGI application; returns the state that it leaves for its requests."""
        lifespan = self._life = Lifespan(app, mode)
        try:
            await lifespan.startup()
        except BaseException:
            await lifespan.abandon()
            raise
        return lifespan.state

    def start(
        self, fn: Callable[[ResponseWriter, Request], Any], w: ResponseWriter, req: Request
    ) -> None:
        """Start a handler: one that waits for nothing has answered when this returns (3.12)."""
        task = self._start_task(_handle(fn, w, req), **self._keywords)
        if not task.done():
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def take(self, core: Core) -> None:
        """Start all exchanges that wait, those of the application and those of handlers."""
        for fn, w, req in core.take_async():
            self.start(fn, w, req)

    def cancel(self) -> None:
        """Cancel every task, as at the end of a drain."""
        for task in list(self.tasks):
            task.cancel("the server stops")

    async def idle(self, seconds: float) -> bool:
        """Wait until no task runs; False if one still does after that time."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=seconds)
        return not self.tasks

    async def finish(self, deadline: float, shortened: Callable[[float], float]) -> bool:
        """Wait for tasks whose clients have their answers or are gone; cancel them after that time.

        Args:
            deadline: On the monotonic clock.
            shortened: Gives the deadline as it is now.

        Returns:
            False if a task goes on although it was cancelled.
        """
        while self.tasks and time.monotonic() < deadline:
            await self.idle(min(STEP, max(deadline - time.monotonic(), 0)))
            deadline = shortened(deadline)
        self.cancel()
        return await self.idle(GRACE)

    async def shutdown(self) -> None:
        """Tell the application that the server ends, and wait until it has taken note."""
        if self._life is not None:
            await self._life.shutdown()


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
