"""What the server keeps of 200,000 requests to applications: nothing.

The requests are pipelined by a few clients, which compare every byte of the answers: without a Date
they are always the same.
"""

from __future__ import annotations

import base64
import contextlib
import random
import re
import socket
import struct
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app_server import PEER, ServeApp
from leaks import MIB, assert_no_leak
from serving import Served

REQUESTS = 100_000
"""For each of the two interfaces."""

WARM_UP = 10_000
CLIENTS = 4
BATCH = 25
"""How many requests are on their way at once on a connection."""

GROWTH = 3 * MIB
"""How much larger the process may be after the requests than after those before them.

The smallest block that an allocator gives out takes 32 bytes: one left by each request would be
3.05 MiB. Without any, heaps of threads still grew by up to 3.2 MiB, and by nothing later on.
"""

BOUND = 30.0
OPTIONS = ("--no-date-header", "--no-server-header", "--no-access-log")
UPLOAD = b"a body of five KiB".ljust(5 << 10, b".")
MESSAGES = 3

pytestmark = pytest.mark.skipif(PEER != "oxbridge", reason="it asks for Oxbridge's own counts")


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Padding: {'x' * 50}\r\n\r\n".encode()


# A request, and how often it is sent of 100 times.
MIXED = (
    (get("/plain"), 60),
    (get("/stream"), 15),
    (get("/waits"), 10),
    (get("/raises"), 3),
    (
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(UPLOAD), UPLOAD),
        7,
    ),
    (
        b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        5,
    ),
)


# A build without optimisation on a machine that is busy takes its time.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_nothing_is_left_of_many_requests(serve_app: ServeApp, interface: str) -> None:
    served = serve_app(
        f"memory_app:{interface}", *OPTIONS, "--metrics-bind", "127.0.0.1:0", interface=interface
    )
    metrics = served.wait_for_line(r"Metrics and health are on (\S+)")[1]
    load = Load(served, interface)
    load.run(WARM_UP, seed=1)
    assert_no_leak(
        lambda number: load.run(REQUESTS, seed=10 + number),
        lambda: settled(served, metrics),
        GROWTH,
    )
    # It still serves, and stops at once since nothing is under way.
    load.run(BATCH, seed=3)
    assert served.stop() == 0


def settled(served: Served, metrics: str) -> int:
    """Wait until no exchange and no connection is left; the resident memory then, in bytes."""
    deadline = time.monotonic() + BOUND
    while True:
        with urllib.request.urlopen(f"{metrics}/metrics", timeout=BOUND) as answer:
            page = answer.read().decode()
        found = re.findall(
            r"^(?:oxbridge_http_exchanges_in_flight|oxbridge_connections_open"
            r"|oxbridge_websocket_connections_open)(?:\{.*\})? (\d+)",
            page,
            re.MULTILINE,
        )
        assert len(found) == 3, page
        if found == ["0"] * 3:
            status = Path(f"/proc/{served.process.pid}/status").read_text()
            resident = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
            assert resident is not None
            return int(resident[1]) << 10
        assert time.monotonic() < deadline, f"left after {BOUND:g} s: {found}"
        time.sleep(0.05)


class Load:
    """Clients that send the mix of requests, and know every answer."""

    def __init__(self, served: Served, interface: str) -> None:
        self._place = ("127.0.0.1", served.port)
        self._websockets = interface == "asgi"
        self._requests = [request for request, _ in MIXED]
        self._weights = [weight for _, weight in MIXED]
        self._answers = {request: self._learned(request) for request in self._requests}

    def run(self, requests: int, seed: int) -> None:
        """Send so many requests from several clients at once."""
        failed = threading.Event()

        def client(number: int) -> None:
            try:
                self._client(requests // CLIENTS, random.Random(1000 * seed + number), failed)
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(client, number) for number in range(CLIENTS)]:
                done.result()

    def _client(self, requests: int, chance: random.Random, failed: threading.Event) -> None:
        connection = self._connect()
        sent = 0
        while sent < requests and not failed.is_set():
            batch = chance.choices(self._requests, self._weights, k=BATCH)
            connection.sendall(b"".join(batch))
            sent += BATCH
            match chance.randrange(20):
                case 0:
                    # Gone with all of them under way, or some.
                    _hang_up(connection, chance)
                    connection = self._connect()
                    continue
                case 1:
                    sent += self._leave_midway(chance)
                case 2 if self._websockets:
                    sent += self._talk(chance)
                case _:
                    pass
            expected = b"".join(self._answers[request] for request in batch)
            assert _take(connection, len(expected)) == expected
        connection.close()

    def _leave_midway(self, chance: random.Random) -> int:
        """Leave within a request, or within an answer without an end; how many that were."""
        with self._connect() as connection:
            if chance.random() < 0.5:
                connection.sendall(self._requests[-2][: -len(UPLOAD) // 2])
            else:
                connection.sendall(get("/endless"))
                connection.recv(chance.randrange(1, 50_000))
            _hang_up(connection, chance)
        return 1

    def _talk(self, chance: random.Random) -> int:
        """Hold a conversation over WebSocket; one that ends well, or not."""
        with self._connect() as connection:
            key = base64.b64encode(chance.randbytes(16)).decode()
            connection.sendall(
                "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += _take(connection, 1)
            assert head.startswith(b"HTTP/1.1 101 ")
            for _ in range(MESSAGES):
                # Frames of a client are masked (RFC 6455, section 5.3): with zeros, as they are.
                connection.sendall(b"\x81\x85\0\0\0\0hello")
                assert _take(connection, 7) == b"\x81\x05hello"
            if chance.random() < 0.5:
                connection.sendall(b"\x88\x82\0\0\0\0" + struct.pack("!H", 1000))
                assert _take(connection, 4) == b"\x88\x02" + struct.pack("!H", 1000)
        return 1

    def _learned(self, request: bytes) -> bytes:
        """Ask once, and take the answer apart far enough to know where it ends."""
        with self._connect() as connection:
            connection.sendall(request)
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += _take(connection, 1)
            assert answer.startswith(
                b"HTTP/1.1 500 " if b"/raises" in request else b"HTTP/1.1 200 "
            )
            if length := re.search(rb"content-length: (\d+)", answer):
                return answer + _take(connection, int(length[1]))
            assert b"transfer-encoding: chunked" in answer
            while not answer.endswith(b"\r\n0\r\n\r\n"):
                answer += _take(connection, 1)
            return answer

    def _connect(self) -> socket.socket:
        return socket.create_connection(self._place, timeout=BOUND)


def _hang_up(connection: socket.socket, chance: random.Random) -> None:
    """Close, or reset, a connection."""
    if chance.random() < 0.5:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _take(connection: socket.socket, length: int) -> bytes:
    """Read exactly so many bytes."""
    taken = bytearray(length)
    left = memoryview(taken)
    while left:
        with contextlib.suppress(InterruptedError):
            n = connection.recv_into(left)
            assert n, f"closed {len(left)} bytes early"
            left = left[n:]
    return bytes(taken)
