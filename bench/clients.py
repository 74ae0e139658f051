"""HTTP/1.1 clients on bare sockets, for loads that wrk cannot make.

They check every answer whole, and cost little enough per request that the server stays the slower
side. They trust the server's framing only as far as a check needs it.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from functools import lru_cache


class BadAnswer(Exception):
    """What came is not the answer that was wanted, or the connection ended before it."""


@dataclass(frozen=True)
class Answer:
    """A whole answer, the body without its framing."""

    status: int
    body: bytes


class Reader:
    """Takes bytes of one connection and says when an answer is whole. For one answer at a time."""

    def __init__(self) -> None:
        """Begin with nothing received."""
        self._buffer = b""

    def feed(self, data: bytes) -> Answer | None:
        """Take in what has arrived; return the answer once it is whole.

        Raises BadAnswer for an end of the connection (no data), for what is not HTTP, and for bytes
        beyond the answer.
        """
        if not data:
            raise BadAnswer(f"closed after {self._buffer[:200]!r}")
        self._buffer = buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        status, length = _head(buffer[:end])
        if length is None:
            # No answer of a check contains the last chunk's bytes, so they mark the end.
            if not buffer.endswith(b"\r\n0\r\n\r\n", end + 2):
                return None
            body = dechunk(buffer, end + 4)
        else:
            missing = end + 4 + length - len(buffer)
            if missing > 0:
                return None
            if missing < 0:
                raise BadAnswer(f"{-missing} bytes beyond the answer {buffer[:200]!r}")
            body = buffer[end + 4 :]
        self._buffer = b""
        return Answer(status, body)


def connect(
    address: tuple[str, int], source: str | None = None, timeout: float = 30
) -> socket.socket:
    """Open a connection, from another address of this machine if `source` names one."""
    connection = socket.socket()
    connection.settimeout(timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if source is not None:
        # The port is chosen when the destination is known: each source address has all ports.
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((source, 0))
    connection.connect(address)
    return connection


def ask(connection: socket.socket, request: bytes) -> Answer:
    """Send a whole request and wait for the whole answer."""
    connection.sendall(request)
    return receive(connection)


def receive(connection: socket.socket) -> Answer:
    """Wait for the whole answer of a request that was sent."""
    reader = Reader()
    while (answer := reader.feed(connection.recv(262144))) is None:
        pass
    return answer


def hang_up(connection: socket.socket) -> None:
    """Reset the connection instead of closing it: what was under way is lost on both sides."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def request(method: str, path: str, body: bytes | None = None) -> bytes:
    """A whole request."""
    length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
    return f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{length}\r\n".encode() + (body or b"")


@lru_cache(maxsize=1024)
def _head(head: bytes) -> tuple[int, int | None]:
    """Status, and length of the body; None if it is chunked. Raises BadAnswer.

    Cached, because the heads of equal answers are equal for a second at a time.
    """
    start, *lines = head.split(b"\r\n")
    if not start.startswith(b"HTTP/1.1 ") or not start[9:12].isdigit():
        raise BadAnswer(f"not HTTP: {head[:200]!r}")
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in lines)
    }
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        return int(start[9:12]), None
    if b"content-length" not in fields:
        raise BadAnswer(f"neither a length nor chunks: {head[:500]!r}")
    return int(start[9:12]), int(fields[b"content-length"])


def dechunk(buffer: bytes, position: int = 0) -> bytes:
    """Take the frames off a whole chunked body. Raises BadAnswer for what is none."""
    parts: list[bytes] = []
    while True:
        end = buffer.find(b"\r\n", position)
        try:
            size = int(buffer[position:end], 16)
        except ValueError:
            raise BadAnswer(f"no chunk: {buffer[position : position + 40]!r}") from None
        if size == 0:
            return b"".join(parts)
        parts.append(buffer[end + 2 : end + 2 + size])
        position = end + 2 + size + 2
