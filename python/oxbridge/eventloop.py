"""asyncio on the reactor: an event loop whose selector takes the turns of a server.

    loop = oxbridge.eventloop.new_event_loop()

gives asyncio's own selector event loop, with everything that runs on it, over a `ReactorSelector`.
Without a server the selector is the system's own; `ReactorSelector.serve` gives it one. From then
on, while asyncio has nothing to do, its `select` drives the server's sockets and starts the
handlers of requests on the spot: no second thread, no wake-up from one to the other.
"""

from __future__ import annotations

import asyncio
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oxbridge._oxbridge import Core, Turns

if sys.platform == "linux":
    _Selector = selectors.EpollSelector
else:
    _Selector = selectors.KqueueSelector


class ReactorSelector(_Selector):
    """A selector that waits by taking the turns of a server, once it has one.

    It belongs to one event loop, and is used by that loop's thread only.
    """

    def __init__(self) -> None:
        super().__init__()
        self._turns: Turns | None = None
        self._loop: Any = None
        self._ready: Any = None
        # What has been readable is looked at again until nothing is: the server tells of changes.
        self._look = True
        self._stopped: Callable[[], None] = _nothing

    @property
    def serving(self) -> bool:
        """Whether it takes the turns of a server: of one at a time."""
        return self._turns is not None

    def serve(
        self, core: Core, loop: asyncio.AbstractEventLoop, stopped: Callable[[], None]
    ) -> None:
        """Take the turns of a driven server from now on, on the calling thread: the loop's.

        `stopped` is called on the loop once the server has come to the end of its stop.
        """
        self._turns = core.turns(self.fileno())
        self._loop = loop
        self._ready = loop._ready  # type: ignore[attr-defined]
        self._look = True
        self._stopped = stopped

    def leave(self) -> None:
        """Take no turns any more."""
        self._turns = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until a registered file is ready, or `timeout` seconds; serve meanwhile."""
        turns = self._turns
        if turns is None:
            return super().select(timeout)
        if self._look:
            events = super().select(0)
            self._look = bool(events)
            if events:
                timeout = 0
        else:
            events = []
        if turns.take(self._loop, self._ready, timeout):
            more = super().select(0)
            self._look = bool(more)
            # What is ready is reported again as long as it is: the later look has all of the first.
            events = more or events
        elif turns.stopped():
            self._turns = None
            self._loop.call_soon(self._stopped)
        return events


class _Loop(asyncio.SelectorEventLoop):
    """asyncio's selector event loop, but for the end of an application's signal handlers."""

    waking: WakeOnSignal | None = None

    def remove_signal_handler(self, sig: int) -> bool:
        """Remove a handler; with the last one asyncio gives up being woken, but the server not."""
        removed = super().remove_signal_handler(sig)
        if self.waking is not None:
            self.waking.renew()
        return removed


def new_event_loop() -> asyncio.SelectorEventLoop:
    """Make a selector event loop over a `ReactorSelector`."""
    return _Loop(ReactorSelector())


class WakeOnSignal:
    """Makes `select` return when a signal has come, so that its Python handler runs at once.

    The system's own selectors are interrupted by signals; the reactor is not. In the main thread
    only; elsewhere it does nothing, since no signal handler runs there.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pair: tuple[socket.socket, socket.socket] | None = None

    def __enter__(self) -> WakeOnSignal:
        if threading.current_thread() is threading.main_thread():
            reading, writing = self._pair = socket.socketpair()
            reading.setblocking(False)
            writing.setblocking(False)
            self._loop.add_reader(reading, self._drain, reading)
            self.renew()
            if isinstance(self._loop, _Loop):
                self._loop.waking = self
        return self

    def renew(self) -> None:
        """Be woken from now on, unless somebody is: asyncio itself, for example."""
        if self._pair is not None:
            before = signal.set_wakeup_fd(self._pair[1].fileno(), warn_on_full_buffer=False)
            if before not in (self._pair[1].fileno(), -1):
                signal.set_wakeup_fd(before, warn_on_full_buffer=False)

    def __exit__(self, *error: object) -> None:
        if isinstance(self._loop, _Loop):
            self._loop.waking = None
        if self._pair is not None:
            reading, writing = self._pair
            taken = signal.set_wakeup_fd(-1)
            if taken not in (writing.fileno(), -1):
                # An application has taken the place over: it stays its own.
                signal.set_wakeup_fd(taken)
            self._loop.remove_reader(reading)
            reading.close()
            writing.close()

    @staticmethod
    def _drain(reading: socket.socket) -> None:
        try:
            while reading.recv(4096):
                pass
        except BlockingIOError:
            pass


def _nothing() -> None:
    pass
