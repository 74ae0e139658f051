"""What no honest client sends: refused with the right status, and the server lives on."""

from __future__ import annotations

import itertools
import os
import random
import select
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from application import Application
from raw import PATIENCE, Raw

from oxbridge import Mux, Request, ResponseWriter, Tls
from oxbridge.testing import serve
from serving import ROOT

# The table of the server's own tests; its head explains the keys.
TABLE = ROOT / "crates/server/tests/data/wire.toml"

GOOD = {200, 301, 307, 308, 404, 405}
"""How a request that is well-formed may be answered by a mux that knows nothing of it."""


@dataclass(frozen=True)
class Row:
    name: str
    wire: bytes
    verdict: str
    good: int

    @staticmethod
    def of(given: dict[str, Any]) -> Row:
        fill = given.get("fill", {"text": "", "times": 0})
        text = given["bytes"].replace("…", fill["text"] * fill["times"])
        verdict = given["verdict"]
        good = given.get("messages", 1 if verdict == "ok" else 0)
        return Row(given["name"], text.encode("latin-1"), verdict, good)


# One row is of a server that does not look for HTTP/2; ours does, on every port.
ROWS = [
    Row.of(row)
    for row in tomllib.loads(TABLE.read_text(encoding="utf-8"))["rows"]
    if row["name"] != "HTTP/2 preface"
]


def test_the_table_is_whole() -> None:
    assert len(ROWS) >= 250
    assert {row.verdict for row in ROWS} >= {"ok", "400", "414", "431", "501", "505"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_gets_its_answers(row: Row, application: Application) -> None:
    with Raw(application.port) as raw:
        raw.try_send(row.wire)
        for number in range(row.good):
            answer = raw.whole()
            assert answer.status in GOOD, f"message {number}: {answer}"
        if row.verdict == "ok":
            raw.finish()
        else:
            answer = raw.whole()
            assert str(answer.status) == row.verdict, answer
            assert answer.headers.get("connection") == "close", answer
        assert raw.rest() == b"", "more than the answers, or not closed"


# Bytes at random

STREAMS = 10_000
AT_ONCE = 16
SEED = int(os.environ.get("OXBRIDGE_SEED", "20240607"))
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


# An HTTP/2 connection with a request by indexed fields (GET / http), one with a body, and the rest.
HTTP2 = [
    PREFACE + frame(4, 0, 0, b"") + frame(1, 5, 1, b"\x82\x84\x86"),
    PREFACE
    + frame(4, 0, 0, b"\x00\x03\x00\x00\x00\x64")
    + frame(1, 4, 1, b"\x83\x84\x86\x41\x01a")
    + frame(0, 0, 1, b"some of the body")
    + frame(0, 1, 1, b"and the rest")
    + frame(8, 0, 0, b"\x00\x00\xff\xff")
    + frame(6, 0, 0, b"12345678")
    + frame(3, 0, 1, b"\x00\x00\x00\x08")
    + frame(2, 0, 3, b"\x00\x00\x00\x00\x10")
    + frame(7, 0, 0, b"\x00\x00\x00\x00\x00\x00\x00\x00"),
]


def streams(seed: int) -> Iterator[bytes]:
    """Streams without end: good and bad requests with some bytes changed, and pure noise."""
    chance = random.Random(seed)
    stock = [row.wire for row in ROWS if len(row.wire) < 4096] + HTTP2 * 20
    while True:
        if chance.random() < 0.1:
            yield chance.randbytes(chance.randrange(1, 2000))
            continue
        stream = bytearray(chance.choice(stock))
        if chance.random() < 0.3:
            stream += chance.choice(stock)
        for _ in range(chance.randrange(0, 6)):
            at = chance.randrange(len(stream) + 1)
            to = min(len(stream), at + chance.randrange(1, 20))
            match chance.randrange(6):
                case 0:  # other bytes
                    stream[at:to] = chance.randbytes(to - at)
                case 1:  # fewer
                    del stream[at:to]
                case 2:  # some twice
                    stream[at:at] = stream[at:to]
                case 3:  # one bit
                    if at < len(stream):
                        stream[at] ^= 1 << chance.randrange(8)
                case 4:  # what parsers look for
                    stream[at:at] = chance.choice(
                        [
                            b"\r\n",
                            b"\n",
                            b"\r",
                            b"\0",
                            b" ",
                            b":",
                            b"0\r\n\r\n",
                            b"\xff",
                            b"%",
                            b"-1",
                        ]
                    )
                case 5:  # cut off
                    del stream[at:]
        yield bytes(stream)


@pytest.mark.timeout(240)
def test_no_bytes_at_random_kill_the_server_or_hang_it(application: Application) -> None:
    """Every stream, once it has ended, ends its connection; the seed is in what a failure says."""

    def send(number: int, stream: bytes) -> str | None:
        # Each tenth goes where TLS is spoken.
        port = application.tls_port if number % 10 == 0 else application.port
        with Raw(port) as raw:
            try:
                # Some in two pieces, so that what is cut anywhere is met too.
                cut = number % (len(stream) + 1) if number % 3 else len(stream)
                if raw.try_send(stream[:cut]) and raw.try_send(stream[cut:]):
                    raw.finish()
                raw.rest()
            except TimeoutError:
                return f"stream {number} of seed {SEED} hangs: {stream!r}"
        return None

    numbered = itertools.islice(enumerate(streams(SEED)), STREAMS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = pool.map(lambda pair: send(*pair), numbered)
        assert [hung for hung in told if hung] == []
    application.settled(exchanges=0, connections=0)
    assert "panicked" not in application.served.stderr


def test_clients_that_only_connect_and_leave_leave_nothing(application: Application) -> None:
    for number in range(500):
        with Raw(application.tls_port if number % 2 else application.port) as raw:
            if number % 3:
                raw.send(PREFACE[: number % len(PREFACE)])
    application.settled(exchanges=0, connections=0)


# Clients that are slow on purpose


def hello(w: ResponseWriter, req: Request) -> None:
    w.write(f"{len(req.body)} bytes")


@pytest.fixture
def mux() -> Mux:
    mux = Mux()
    mux.handle("/", hello)
    return mux


def drip(raw: Raw, data: bytes, pace: float = 0.05) -> float:
    """Send a byte each 50 ms until the server has had enough; tell how long it bore that."""
    began = time.monotonic()
    for byte in itertools.cycle(data):
        if select.select([raw.socket], [], [], pace)[0] or not raw.try_send(bytes([byte])):
            break
        assert time.monotonic() - began < PATIENCE, "the server bears it for ever"
    return time.monotonic() - began


def test_a_client_that_sends_its_head_slowly_is_cut(mux: Mux) -> None:
    with serve(mux, header_timeout=1) as client, Raw(client.server.port) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        lasted = drip(raw, b"a")
        assert 0.9 < lasted < 10
        # Told or not why, it is closed.
        assert raw.rest().partition(b"\r\n")[0] in (b"", b"HTTP/1.1 408 Request Timeout")
        # And nobody else has been.
        assert client.get("/").text == "0 bytes"


def test_the_second_head_on_a_connection_has_its_bound_too(mux: Mux) -> None:
    with serve(mux, header_timeout=1) as client, Raw(client.server.port) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert raw.whole().status == 200
        raw.send(b"GET / HTTP/1.1\r\nX-Slow: ")
        assert 0.9 < drip(raw, b"a") < 10
        assert raw.rest().partition(b"\r\n")[0] in (b"", b"HTTP/1.1 408 Request Timeout")


def test_a_client_that_says_nothing_is_cut(mux: Mux) -> None:
    with serve(mux, header_timeout=1, keep_alive_timeout=1) as client:
        with Raw(client.server.port) as raw:
            assert raw.rest() in (b"",) or raw.rest().startswith(b"HTTP/1.1 408 ")
        with Raw(client.server.port) as raw:
            raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert raw.whole().status == 200
            assert raw.rest() == b""


def test_a_client_that_does_not_finish_its_preface_is_cut(mux: Mux) -> None:
    with (
        serve(mux, header_timeout=1, keep_alive_timeout=1) as client,
        Raw(client.server.port) as raw,
    ):
        raw.send(PREFACE[:20])
        # It waits for the end of the connection; that nothing comes would be a TimeoutError.
        raw.rest()


def test_a_client_that_does_not_finish_its_handshake_is_cut(
    mux: Mux, application: Application
) -> None:
    keys = application.keys
    tls = Tls(cert=keys.chain, key=keys.key)
    with serve(mux, tls=tls, header_timeout=1, keep_alive_timeout=1) as client:
        with Raw(client.server.port) as raw:
            # A record of a ClientHello, without most of it.
            raw.send(b"\x16\x03\x01\x02\x00\x01\x00")
            raw.rest()
        assert client.get("/").status == 200


@pytest.mark.parametrize("buffer_body", [65536, 0])
def test_a_client_that_stops_within_its_body_is_cut(mux: Mux, buffer_body: int) -> None:
    with serve(mux, body_timeout=1, buffer_body=buffer_body) as client:
        with Raw(client.server.port) as raw:
            raw.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome")
            assert raw.rest().partition(b"\r\n")[0] in (b"", b"HTTP/1.1 408 Request Timeout")
        assert client.get("/").text == "0 bytes"


@pytest.mark.parametrize("tls", [False, True])
def test_a_body_that_is_too_long_is_refused(mux: Mux, tls: bool, application: Application) -> None:
    keys = application.keys
    with serve(
        mux, max_body=1000, tls=Tls(cert=keys.chain, key=keys.key) if tls else None
    ) as client:
        assert client.request("POST", "/", b"a" * 1000).text == "1000 bytes"
        assert client.request("POST", "/", b"a" * 1001).status == 413
        assert client.request("POST", "/", iter([b"a" * 600] * 2)).status == 413
