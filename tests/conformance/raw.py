"""A connection whose server may refuse, close or reset it at any moment."""

from __future__ import annotations

import contextlib
import http.client
import socket
from dataclasses import dataclass

from wire import Wire

PATIENCE = 20.0
"""How long a server may take to answer, or to close, before it counts as hanging, in seconds."""


@dataclass(frozen=True)
class Answer:
    """One whole answer; the names of its fields are in lower case, the last of a name wins."""

    status: int
    headers: dict[str, str]
    body: bytes


class Raw(Wire):
    """A connection to a port of this machine."""

    def __init__(self, port: int) -> None:
        super().__init__(f"http://127.0.0.1:{port}")
        self.socket.settimeout(PATIENCE)
        # Every send is to arrive as a piece of its own.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Raw:
        return self

    def try_send(self, data: bytes) -> bool:
        """Send bytes as they are; False if the server has closed before it took them all."""
        try:
            self.send(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def finish(self) -> None:
        """Say that nothing more is sent; answers can still be read."""
        # The server may have closed already.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def whole(self, method: str = "GET") -> Answer:
        """Read the next whole answer. Raises http.client.HTTPException if what comes is none."""
        response: http.client.HTTPResponse = self.answer(method)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())

    def rest(self) -> bytes:
        """Read until the server closes; a reset counts as closing."""
        read = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while piece := self.reader.read1():
                read += piece
        return bytes(read)
