"""The event loop on which the coroutines run that a Rust program's calls have made."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

logger = logging.getLogger("oxbridge")


class Taker(Protocol):
    """The loop's end of the inbox through which the program tells it what to do."""

    def fileno(self) -> int:
        """Name what to watch."""

    def take(self, spawn: Callable[[Awaitable[Any]], asyncio.Task[Any]], /) -> bool:
        """Do what waits to be done; False when the loop is to end."""

    def ended(self) -> None:
        """Say that the loop has ended."""


def start(taker: Taker) -> None:
    """Start a thread with an event loop, which runs until the taker says that it is to end."""
    threading.Thread(target=_run, args=(taker,), name="oxbridge-calls", daemon=True).start()


def _run(taker: Taker) -> None:
    try:
        # The runner cancels what is left, closes asynchronous generators and the executor.
        with asyncio.Runner() as runner:
            runner.run(_serve(taker))
    except BaseException:
        logger.exception("The event loop of embedded calls failed")
    finally:
        taker.ended()


async def _serve(taker: Taker) -> None:
    loop = asyncio.get_running_loop()
    closing = asyncio.Event()

    def spawn(awaitable: Awaitable[Any]) -> asyncio.Task[Any]:
        return loop.create_task(_contained(awaitable))

    def take() -> None:
        if not taker.take(spawn):
            closing.set()

    loop.add_reader(taker.fileno(), take)
    # What came before the loop was there.
    take()
    try:
        await closing.wait()
    finally:
        loop.remove_reader(taker.fileno())


async def _contained(awaitable: Awaitable[Any]) -> tuple[BaseException | None, Any]:
    """Await it, and give what asyncio would end the whole loop for."""
    try:
        return None, await awaitable
    except (KeyboardInterrupt, SystemExit) as error:
        return error, None
