"""One connection to a server, byte by byte: for what no client library would send."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import cast

PATIENCE = 20.0
"""How long a server may take to answer, or to close, before it counts as hanging, in seconds."""


@dataclass(frozen=True)
class Answer:
    """One whole answer: the fields in order, names in lower case, and what followed the body."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    version: int = 11
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", dict(self.fields))


class Raw:
    """A connection. Closed, it is cut: nothing that is still to be read is waited for."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        # Every send is to arrive as a piece of its own.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.reader = self.socket.makefile("rb")

    def send(self, data: bytes) -> bool:
        """Send bytes as they are; False if the server has closed before it took them all."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def finish(self) -> None:
        """Say that nothing more is sent; answers can still be read."""
        # The server may have closed already.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET") -> Answer:
        """Read the next whole answer. Raises http.client.HTTPException if what comes is none."""
        response = http.client.HTTPResponse(cast(socket.socket, _Kept(self.reader)), method=method)
        response.begin()
        body = response.read()
        fields = [(name.lower(), value) for name, value in response.getheaders()]
        return Answer(response.status, fields, body, response.version)

    def rest(self) -> bytes:
        """Read until the server closes; a reset counts as closing."""
        read = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while piece := self.reader.read1():
                read += piece
        return bytes(read)

    def close(self) -> None:
        self.reader.close()
        self.socket.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Kept:
    """What HTTPResponse takes for a socket, with a file that outlives the answer read from it."""

    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> _Kept:
        return self

    def read(self, size: int | None = -1) -> bytes:
        return self._reader.read(size)

    def read1(self, size: int = -1) -> bytes:
        return self._reader.read1(size)

    def readinto(self, buffer: bytearray) -> int:
        return self._reader.readinto(buffer)

    def readline(self, limit: int | None = -1) -> bytes:
        return self._reader.readline(limit)

    def peek(self, size: int = 0) -> bytes:
        return self._reader.peek(size)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
