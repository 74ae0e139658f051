"""What a server keeps: nothing of exchanges that are over, little of bodies that pass through.

The long versions, two million requests and 2 GiB, are in bench/; these are short enough for every
run. What a leak of one object for each request would cost is far above the bounds here.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from application import Application, parsed
from raw import Raw

from leaks import MIB, assert_no_leak

KIB = 1024

WARM_UP = 10_000
REQUESTS = 60_000
CLIENTS = 8
GROWTH = 2 * MIB
"""A leak of 100 bytes for each request would be 6 MiB."""

BODY = b"a body of ten KiB".ljust(10 * KIB, b".")
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = (
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Padding: {'x' * 100}\r\n\r\n".encode()


# A request, the status that it gets, and how often it is sent of 100 times.
MIXED = [
    (get("/hello"), 200, 40),
    (get("/hello/somebody"), 200, 20),
    (get("/bytes/10240"), 200, 10),
    (POST, 200, 10),
    (CHUNKED, 200, 5),
    (get("/coroutine"), 200, 5),
    (get("/files/page.html"), 200, 2),
    (get("/fail"), 500, 5),
    (get("/status/204"), 204, 3),
]


def test_a_soak_leaves_nothing_behind(application: Application) -> None:
    soak(application, WARM_UP, seed=1)
    assert_no_leak(
        lambda number: soak(application, REQUESTS, seed=10 + number),
        lambda: application.settled(exchanges=0, connections=0)["rss"],
        GROWTH,
    )


def soak(application: Application, requests: int, seed: int) -> None:
    """Send so many requests from several clients; each 50th time a client hangs up half-way."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        share = requests // CLIENTS
        work = [
            pool.submit(_client, application.port, share, seed * 1000 + number)
            for number in range(CLIENTS)
        ]
        for done in work:
            done.result()


def _client(port: int, requests: int, seed: int) -> None:
    chance = random.Random(seed)
    kinds = [(request, status) for request, status, _ in MIXED]
    weights = [weight for _, _, weight in MIXED]
    raw = Raw(port)
    try:
        for number in range(requests):
            request, status = chance.choices(kinds, weights)[0]
            if number % 50 == 49:
                _hang_up(raw, request, chance)
                raw = Raw(port)
                continue
            raw.send(request)
            assert raw.whole().status == status
    finally:
        raw.close()


def _hang_up(raw: Raw, request: bytes, chance: random.Random) -> None:
    """Leave within the request, before its answer, or within a long one."""
    match chance.randrange(3):
        case 0:
            raw.send(request[: chance.randrange(1, len(request))])
        case 1:
            raw.send(request)
        case 2:
            raw.send(get("/bytes/10000000"))
            raw.socket.recv(chance.randrange(1, 50_000))
    if chance.random() < 0.5:
        # Reset rather than end the connection.
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raw.close()


# Bodies larger than what may be kept

LARGE = 256 * MIB
ROOM = 64 * MIB


def test_a_large_download_to_a_slow_client_is_not_kept(application: Application) -> None:
    def download(watch: Callable[[int], None]) -> None:
        with Raw(application.port) as raw:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
            raw.send(get(f"/bytes/{LARGE}?length"))
            head = raw.reader.readline()
            assert head == b"HTTP/1.1 200 OK\r\n"
            while raw.reader.readline() != b"\r\n":
                pass
            left = LARGE
            while left:
                if left % (LARGE // 4) == 0:
                    # Enough for a handler that is not held back to write all the rest.
                    end = time.monotonic() + 0.5
                    while time.monotonic() < end:
                        watch(0)
                piece = raw.reader.read(MIB)
                assert len(piece) == MIB, f"the answer ends {left} bytes early"
                left -= MIB
                watch(left)

    require_room(application, download)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_upload_to_a_handler_that_reads_is_not_kept(
    application: Application, framing: str
) -> None:
    def upload(watch: Callable[[int], None]) -> None:
        block = random.Random(3).randbytes(MIB)
        with Raw(application.port) as raw:
            chunked = framing == "chunked"
            field = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {LARGE}"
            raw.send(f"POST /inspect HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n".encode())
            for sent in range(LARGE // MIB):
                raw.send(b"%x\r\n%b\r\n" % (MIB, block) if chunked else block)
                watch(LARGE - sent * MIB)
            if chunked:
                raw.send(b"0\r\n\r\n")
            assert parsed(raw.whole().body)["length"] == LARGE

    require_room(application, upload)


def test_an_upload_that_comes_back_to_a_client_that_does_not_read_is_not_kept(
    application: Application,
) -> None:
    """An echo whose client sends and does not read: all stands still, and nothing piles up."""
    full = threading.Event()

    def stall(watch: Callable[[int], None]) -> None:
        block = bytes(MIB)
        with Raw(application.port) as raw:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
            raw.send(f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n".encode())
            raw.socket.settimeout(2)
            try:
                for sent in range(LARGE // MIB):
                    raw.socket.sendall(block)
                    watch(LARGE - sent * MIB)
            except TimeoutError:
                full.set()
            watch(0)

    require_room(application, stall)
    assert full.is_set(), f"the server took {LARGE} bytes that nobody read back"


def require_room(application: Application, work: Callable[[Callable[[int], None]], None]) -> None:
    """Do the work, and require that memory stays within bounds whenever it is looked at."""
    before = application.settled(exchanges=0)["rss"]
    peak = before

    def watch(left: int) -> None:
        nonlocal peak
        # Each 16 MiB: often enough to see a body pile up.
        if left % (16 * MIB) < MIB:
            peak = max(peak, application.state()["rss"])

    work(watch)
    assert peak - before < ROOM, f"{(peak - before) / MIB:.0f} MiB more than before"
    application.settled(exchanges=0)
