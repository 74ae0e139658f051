"""Ctrl-C and SIGTERM for a server that the main thread waits for."""

from __future__ import annotations

import contextlib
import signal
import socket
from types import FrameType, TracebackType

from oxbridge._handlers import handled
from oxbridge.server import Server

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Both signals drain the server; a Ctrl-C while it drains cuts what is left.

    The kernel may hand a signal to any thread, and a main thread that waits for a lock would not
    notice. So it waits for a byte on a socket, which the interpreter writes for every signal
    (`signal.set_wakeup_fd`). Only for the main thread. What was set before is set again at the end.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._reading, self._writing = socket.socketpair()
        # A full buffer is a wake-up that is under way already.
        self._writing.setblocking(False)
        self._wakeup_before = -1

    def __enter__(self) -> StopSignals:
        self._wakeup_before = signal.set_wakeup_fd(
            self._writing.fileno(), warn_on_full_buffer=False
        )
        self._handlers = handled(dict.fromkeys(SIGNALS, self._stop))
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

    def wait(self) -> None:
        """Wait for a signal, whose handler has run when this returns, or for `wake`."""
        self._reading.recv(4096)

    def wake(self) -> None:
        """End the wait, from any thread."""
        # Closed: nobody waits any more.
        with contextlib.suppress(OSError):
            self._writing.send(b"\0")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: interpreters run this in the main thread."""
        cut = number == signal.SIGINT and not self._server.running
        self._server.begin_stop(0 if cut else None)
