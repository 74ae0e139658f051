"""Clients that keep a server busy for the compiler to watch: HTTP/1.1, HTTP/2, WebSockets.

They ask for what is known to be answered and look no further than they must: tests are elsewhere.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence

AGENT = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Cookie: session=0123456789abcdef; theme=dark\r\nConnection: keep-alive\r\n"
)
"""What a browser sends with every request."""


def request(target: str, body: bytes = b"", browser: bool = False) -> bytes:
    """Write an HTTP/1.1 request: a POST where there is a body."""
    method = "POST" if body else "GET"
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    fields = AGENT if browser else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}{length}\r\n"
    return head.encode() + body


class Http1:
    """A connection that asks one request after the other."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.came = b""

    def send(self, asked: bytes) -> None:
        """Send a request."""
        self.socket.sendall(asked)

    def receive(self) -> bytes:
        """Read one answer to its end; give its head."""
        head = self._until(b"\r\n\r\n")
        status = head.split(b" ", 2)[1]
        if status not in (b"200", b"101"):
            raise RuntimeError(f"an answer with 200 was wanted, this came: {head!r}")
        fields = head.lower()
        if b"\r\ntransfer-encoding: chunked" in fields:
            while (size := int(self._until(b"\r\n"), 16)) > 0:
                self.exactly(size + 2)
            self.exactly(2)
        elif b"\r\ncontent-length: " in fields:
            self.exactly(int(fields.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0]))
        return head

    def frame(self) -> None:
        """Read one short WebSocket frame."""
        head = self.exactly(2)
        self.exactly(head[1] & 0x7F)

    def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        while len(self.came) < size:
            self._more()
        found, self.came = self.came[:size], self.came[size:]
        return found

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self.came:
            self._more()
        found, self.came = self.came.split(end, 1)
        return found

    def _more(self) -> None:
        came = self.socket.recv(1 << 18)
        if not came:
            raise RuntimeError(f"the server closed in the middle of an answer: {self.came!r}")
        self.came += came


def rounds(port: int, asked: bytes, connections: int, count: int) -> None:
    """Ask on several connections at once, again and again."""
    clients = [Http1(port) for _ in range(connections)]
    _ask_all(clients, asked, Http1.receive, count)
    for client in clients:
        client.close()


def _ask_all(
    clients: Sequence[Http1], asked: bytes, receive: Callable[[Http1], object], count: int
) -> None:
    """Ask on all of them at once, `count` times."""
    for _ in range(count):
        for client in clients:
            client.send(asked)
        for client in clients:
            receive(client)


def strangers(port: int, asked: bytes, count: int) -> None:
    """Ask on a new connection each time."""
    for _ in range(count):
        rounds(port, asked, 1, 1)


def websockets(port: int, connections: int, count: int) -> None:
    """Have short messages echoed (RFC 6455)."""
    upgrade = (
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    message = b"a message of thirty-four bytes, aye"[:34]
    mask = b"\x11\x22\x33\x44"
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(message))
    frame = bytes([0x81, 0x80 | len(message)]) + mask + masked
    clients = [Http1(port) for _ in range(connections)]
    _ask_all(clients, upgrade.encode(), Http1.receive, 1)
    _ask_all(clients, frame, Http1.frame, count)
    for client in clients:
        # A close frame (1000), and its echo.
        client.send(bytes([0x88, 0x82]) + mask + bytes([0x03 ^ 0x11, 0xE8 ^ 0x22]))
        client.frame()
        client.close()


def http2(port: int, paths: Sequence[str], count: int) -> None:
    """Ask by HTTP/2 with prior knowledge (RFC 9113), all of `paths` at once in each round."""
    client = Http1(port)
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b""))
    stream = 1
    for _ in range(count):
        asked = b""
        for path in paths:
            # HPACK (RFC 7541): GET and http from the static table, the others as literals.
            name = path.encode()
            block = b"\x82\x86\x04" + bytes([len(name)]) + name + b"\x01\x09127.0.0.1"
            asked += _frame(1, 5, stream, block)
            stream += 2
        client.send(asked)
        left = len(paths)
        while left:
            head = client.exactly(9)
            length, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
            payload = client.exactly(length)
            if kind in (3, 7):
                raise RuntimeError(f"HTTP/2 was refused: frame {kind}, {payload!r}")
            if kind == 4 and not flags & 1:
                client.send(_frame(4, 1, 0, b""))
            if kind == 0 and length:
                # The window stays as it was, for the connection; a stream ends soon enough.
                client.send(_frame(8, 0, 0, struct.pack(">I", length)))
            left -= kind in (0, 1) and flags & 1
    client.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload
