"""Ctrl-C and SIGTERM for a server that the main thread waits for."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType

from oxbridge._handlers import handled
from oxbridge.server import Server

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Both signals drain the server; a Ctrl-C while it drains cuts what is left.

    The kernel may hand a signal to any thread, and a main thread that waits for a lock would not
    notice. So it waits for a byte in a pipe, which the interpreter writes for every signal
    (`signal.set_wakeup_fd`). Only for the main thread. What was set before is set again at the end.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        # Not sockets, whose module takes half a megabyte.
        self._reading, self._writing = os.pipe()
        # A full buffer is a wake-up that is under way already.
        os.set_blocking(self._writing, False)
        self._closing = threading.Lock()
        self._closed = False
        self._wakeup_before = -1

    def __enter__(self) -> StopSignals:
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
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
        with self._closing:
            self._closed = True
            os.close(self._reading)
            os.close(self._writing)

    def wait(self) -> None:
        """Wait for a signal, whose handler has run when this returns, or for `wake`."""
        os.read(self._reading, 4096)

    def wake(self) -> None:
        """End the wait, from any thread."""
        with self._closing:
            # Closed: nobody waits any more, and the numbers may be those of other files.
            # Full: it is woken already.
            if not self._closed:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._writing, b"\0")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: interpreters run this in the main thread."""
        cut = number == signal.SIGINT and not self._server.running
        self._server.begin_stop(0 if cut else None)
