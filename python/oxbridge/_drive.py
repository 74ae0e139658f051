"""How a server and an event loop work together: by turns, or through a queue."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from oxbridge._life import GRACE, STEP
from oxbridge._onloop import OnLoop
from oxbridge._oxbridge import Core
from oxbridge.eventloop import ReactorSelector


class Drive(Protocol):
    """How the server and the loop work together."""

    async def drained(self, deadline: float, shortened: Callable[[float], float]) -> bool:
        """Wait until the server has stopped, which it has soon after the deadline, or it hangs."""

    def close(self) -> None:
        """Part them."""


class Reactor:
    """A server whose turns the event loop takes."""

    def __init__(
        self, core: Core, loop: asyncio.AbstractEventLoop, selector: ReactorSelector
    ) -> None:
        self._selector = selector
        self._stopped = asyncio.Event()
        selector.serve(core, loop, self._stopped.set)

    async def drained(self, deadline: float, shortened: Callable[[float], float]) -> bool:
        """See `Drive`."""
        return await _wait(self._stopped, deadline, shortened)

    def close(self) -> None:
        """See `Drive`."""
        self._selector.leave()


class Crew:
    """A server with threads of its own, which leaves what the loop shall do in a queue."""

    def __init__(self, core: Core, loop: asyncio.AbstractEventLoop, on_loop: OnLoop) -> None:
        self._loop = loop
        self._fd = core.async_fd()
        self._core = core
        self._stopped = asyncio.Event()
        if self._fd is not None:
            loop.add_reader(self._fd, on_loop.take, core)

    async def drained(self, deadline: float, shortened: Callable[[float], float]) -> bool:
        """See `Drive`."""
        # A thread of its own: those of the loop's executor may all be busy with what is drained.
        threading.Thread(target=self._watch, name="oxbridge-stop", daemon=True).start()
        return await _wait(self._stopped, deadline, shortened)

    def close(self) -> None:
        """See `Drive`."""
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
