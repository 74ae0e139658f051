"""Signals as something to wait for beside sockets. Nothing is done in the handlers."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterable
from types import FrameType, TracebackType

from oxbridge._handlers import handled


class Signals:
    """Signals that arrive as bytes on a socket, for as long as the `with` block lasts.

    Only for the main thread. What was set before is set again at the end.
    """

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._numbers = tuple(numbers)
        self._wakeup_before = -1

    def __enter__(self) -> Signals:
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        # A full buffer is a wake-up that is under way already.
        self._writing.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(
            self._writing.fileno(), warn_on_full_buffer=False
        )
        self._handlers = handled(dict.fromkeys(self._numbers, _noted))
        self._handlers.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handlers.__exit__(kind, error, traceback)
        signal.set_wakeup_fd(self._wakeup_before)
        self._reading.close()
        self._writing.close()

    def fileno(self) -> int:
        """Return the descriptor that is readable when something has come."""
        return self._reading.fileno()

    def wake(self) -> None:
        """Make it readable, from any thread."""
        with contextlib.suppress(OSError):
            self._writing.send(b"\0")

    def take(self) -> list[signal.Signals]:
        """Return the signals that have come, in order."""
        try:
            came = self._reading.recv(4096)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in came if number in self._numbers]


def _noted(number: int, frame: FrameType | None) -> None:
    """Handle a signal: its number is on the socket already."""
