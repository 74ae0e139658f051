"""ASGI: what surrounds an application's requests: its lifespan, and the tasks that it runs in."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

from oxbridge._life import GRACE
from oxbridge._mounted import AppSettings, StartupFailed
from oxbridge._oxbridge import AsgiApp, RsgiApp

logger = logging.getLogger("oxbridge")

SPEC = {"version": "3.0", "spec_version": "2.0"}


class Lifespan:
    """The lifespan of one application (ASGI, "Lifespan Protocol").

    An application that does not know lifespan raises, or returns, at its start; in mode "auto" it
    is served without, in mode "on" that is a failure, and in mode "off" it is not asked.
    """

    def __init__(self, application: Callable[..., Any], mode: str = "auto") -> None:
        self.state: dict[str, Any] | None = None if mode == "off" else {}
        """What the application left for its requests; None where it was not asked."""
        self._application = application
        self._mode = mode
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started: asyncio.Future[str | None]
        self._stopped: asyncio.Future[str | None]
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Start the application; raises StartupFailed if it does not."""
        if self._mode == "off":
            return
        loop = asyncio.get_running_loop()
        self._started = loop.create_future()
        self._stopped = loop.create_future()
        await self._to_app.put({"type": "lifespan.startup"})
        self._task = loop.create_task(self._run(), name="oxbridge-lifespan")
        failure = await self._started
        if failure is not None:
            raise StartupFailed(f"the application failed to start: {failure}".rstrip(": "))

    async def shutdown(self) -> None:
        """Tell the application that the server ends, and wait until it has taken note."""
        if self._task is None or self._task.done():
            return
        await self._to_app.put({"type": "lifespan.shutdown"})
        failure = await self._stopped
        if failure is not None:
            logger.error("The application failed to shut down: %s", failure)
        await self._task

    async def abandon(self) -> None:
        """Cancel it, where nobody waits for its start any more."""
        if self._task is not None and not self._task.done():
            self._task.cancel("the server does not start")
            await asyncio.wait([self._task], timeout=GRACE)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": dict(SPEC), "state": self.state}
        try:
            await self._application(scope, self._to_app.get, self._send)
        except BaseException as error:
            if self._started.done():
                if not isinstance(error, asyncio.CancelledError):
                    logger.exception("The lifespan of the application failed")
                self._resolve(self._stopped, None)
                return
            if self._mode == "auto" and isinstance(error, Exception):
                logger.debug("The application does not know lifespan", exc_info=True)
                self._resolve(self._started, None)
            else:
                logger.exception("The lifespan of the application failed")
                self._resolve(self._started, f"{type(error).__name__}: {error}")
        else:
            unanswered = None if self._mode == "auto" else "it returned from its lifespan"
            self._resolve(self._started, unanswered)
        self._resolve(self._stopped, None)

    async def _send(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "lifespan.startup.complete":
            self._resolve(self._started, None)
        elif kind == "lifespan.startup.failed":
            self._resolve(self._started, str(event.get("message", "")))
        elif kind == "lifespan.shutdown.complete":
            self._resolve(self._stopped, None)
        elif kind == "lifespan.shutdown.failed":
            self._resolve(self._stopped, str(event.get("message", "")))
        else:
            raise RuntimeError(f"unexpected ASGI event {kind!r} for a lifespan")

    @staticmethod
    def _resolve(future: asyncio.Future[str | None], value: str | None) -> None:
        if not future.done():
            future.set_result(value)


def task_starter(
    loop: asyncio.AbstractEventLoop,
) -> tuple[Callable[..., asyncio.Task[Any]], dict[str, Any]]:
    """Return what makes a task of a coroutine, and by which keywords.

    The task is stepped at once where the interpreter can (3.12).
    """
    if sys.version_info >= (3, 12):
        return asyncio.Task, {"loop": loop, "eager_start": True}
    return loop.create_task, {}


def run_on(
    app: AsgiApp | RsgiApp, loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[Any]]
) -> None:
    """Have an application run on a loop; its tasks that wait for something are in `tasks`."""
    app.run_on(*task_starter(loop), loop.create_future, tasks)


# What a message is taken for, where a bound is given in messages and kept in bytes.
MESSAGE = 2048


def websockets(config: AppSettings) -> dict[str, Any]:
    """Return the options of an application's WebSockets."""
    return {
        "max_size": config.ws_max_size,
        "max_queue": config.ws_max_queue * MESSAGE,
        "ping_interval": config.ws_ping_interval,
        "ping_timeout": config.ws_ping_timeout,
        "per_message_deflate": config.ws_per_message_deflate,
    }
