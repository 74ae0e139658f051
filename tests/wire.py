"""Talking to a server byte by byte, where no client library sends what a test needs."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from types import TracebackType
from urllib.parse import urlsplit


class Wire:
    """One TCP connection to a server: raw bytes out, whole answers in."""

    def __init__(self, url: str, *, receive_buffer: int | None = None) -> None:
        """Connect. A small receive buffer makes a client that takes little at a time."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.socket = socket.socket(
            socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET, socket.SOCK_STREAM
        )
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        self.socket.connect((parts.hostname, parts.port))
        self.reader = self.socket.makefile("rb")

    def send(self, data: bytes | str) -> None:
        """Send text or bytes as they are."""
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def head(
        self, method: str, target: str, headers: Mapping[str, str | int] | None = None
    ) -> None:
        """Send a request's head."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.send("\r\n".join([*lines, "", ""]))

    def answer(self, method: str = "GET") -> http.client.HTTPResponse:
        """Read the head of the next answer; the answer is read further like a file."""
        response = http.client.HTTPResponse(_Reader(self.reader), method=method)  # type: ignore[arg-type]
        response.begin()
        return response

    def line(self) -> bytes:
        """Read one line as it comes."""
        return self.reader.readline()

    def rest(self) -> bytes:
        """Read to the end of the connection."""
        return self.reader.read()

    def close(self) -> None:
        """Hang up."""
        self.reader.close()
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def until_refused(url: str) -> None:
    """Connect until nobody listens any more."""
    parts = urlsplit(url)
    for _ in range(10_000):
        try:
            socket.create_connection((str(parts.hostname), int(parts.port or 0)), 5).close()
        except ConnectionError:
            return
    raise AssertionError("the server still listens")


class _Reader:
    """What http.client takes for a socket. It closes its file; the connection's must stay open."""

    def __init__(self, reader: io.BufferedReader) -> None:
        self.reader = reader

    def makefile(self, mode: str) -> io.BufferedReader:
        return _Unclosed(self.reader)  # type: ignore[return-value]


class _Unclosed:
    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> object:
        return getattr(self._reader, name)

    def close(self) -> None:
        pass

    def flush(self) -> None:
        pass
