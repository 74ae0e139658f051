"""The line between the supervisor and a worker: JSON objects, one a line, over a socket pair."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

Message = dict[str, object]


class Channel:
    """One end of the line. Nothing here ever waits for the other end.

    Any thread may send. One thread receives.
    """

    def __init__(self, end: socket.socket) -> None:
        """Take over the socket."""
        end.setblocking(False)
        self._socket = end
        self._unread = bytearray()
        self._unsent = bytearray()
        self._sending = threading.Lock()
        self.closed = False
        """The other end is gone."""

    def fileno(self) -> int:
        """Return the descriptor, to wait for."""
        return self._socket.fileno()

    @property
    def pending(self) -> bool:
        """Whether something waits to be sent, by `flush`, once the socket takes more."""
        return bool(self._unsent)

    def send(self, **message: object) -> None:
        """Send a message, now or with the next `flush`. To an end that is gone it is lost."""
        line = json.dumps(message).encode() + b"\n"
        with self._sending:
            self._unsent += line
            self._write()

    def try_send(self, **message: object) -> None:
        """Send a message unless another one waits, or is just being sent, by anybody.

        For signs of life, where the next one is as good: takes no lock that somebody may hold.
        """
        if self._sending.acquire(blocking=False):
            try:
                self._write()
                if not self._unsent:
                    self._unsent += json.dumps(message).encode() + b"\n"
                    self._write()
            finally:
                self._sending.release()

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""
        with self._sending:
            self._write()

    def receive(self) -> Iterator[Message]:
        """Read the messages that have arrived; sets `closed` at the end of the line."""
        while not self.closed:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.closed = not data
            self._unread += data
        *lines, rest = self._unread.split(b"\n")
        self._unread = bytearray(rest)
        for line in lines:
            # What is no message comes from nobody here, and is nobody's loss.
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    yield message

    def close(self) -> None:
        """Hang up."""
        self.closed = True
        self._socket.close()

    def _write(self) -> None:
        """Write from the front of what waits; the caller holds the lock."""
        while self._unsent and not self.closed:
            try:
                del self._unsent[: self._socket.send(self._unsent, socket.MSG_NOSIGNAL)]
            except BlockingIOError:
                return
            except OSError:
                self._unsent.clear()
