"""Python's own http.client and urllib against the server, and HTTP/1.1 read byte by byte."""

from __future__ import annotations

import hashlib
import http.client
import http.cookiejar
import random
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from application import Application, parsed
from raw import Raw

MIB = 1024 * 1024


@pytest.fixture(params=["http", "https"])
def connection(
    request: pytest.FixtureRequest, application: Application
) -> Iterator[http.client.HTTPConnection]:
    """A connection that stays open from request to request."""
    connection: http.client.HTTPConnection
    if request.param == "http":
        connection = http.client.HTTPConnection("127.0.0.1", application.port, timeout=30)
    else:
        trusting = ssl.create_default_context(cafile=str(application.keys.authority))
        connection = http.client.HTTPSConnection(
            "localhost", application.tls_port, timeout=30, context=trusting
        )
    yield connection
    connection.close()


def test_many_requests_on_one_connection(connection: http.client.HTTPConnection) -> None:
    connection.connect()
    ours = connection.sock.getsockname()
    for number in range(100):
        connection.request("GET", f"/hello/{number}")
        answer = connection.getresponse()
        assert (answer.status, answer.reason, answer.version) == (200, "OK", 11)
        assert answer.read() == f"hello, {number}\n".encode()
        assert connection.sock.getsockname() == ours


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_each_method_leaves_the_connection_usable(
    connection: http.client.HTTPConnection, method: str
) -> None:
    for _ in range(2):
        connection.request(method, "/inspect", body=b"a body")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200
        if method == "HEAD":
            assert body == b""
        else:
            assert (parsed(body)["method"], parsed(body)["length"]) == (method, 6)


def test_a_chunked_upload(connection: http.client.HTTPConnection) -> None:
    pieces = [random.Random(number).randbytes(number * 1000) for number in range(1, 60)]
    connection.request("POST", "/inspect", body=iter(pieces), encode_chunked=True)
    told = parsed(connection.getresponse().read())
    assert told["headers"]["transfer-encoding"] == "chunked"
    assert told["length"] == sum(map(len, pieces))
    assert told["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_a_chunked_download(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", f"/bytes/{2 * MIB}")
    answer = connection.getresponse()
    assert answer.getheader("Transfer-Encoding") == "chunked"
    pieces = iter(lambda: answer.read(10_000), b"")
    assert sum(map(len, pieces)) == 2 * MIB


def test_an_answer_that_is_small_has_its_length(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/hello")
    answer = connection.getresponse()
    assert answer.getheader("Content-Length") == "6"
    assert answer.getheader("Transfer-Encoding") is None
    date = answer.getheader("Date")
    assert date is not None
    assert parsedate_to_datetime(date).tzinfo is not None
    answer.read()


def test_a_body_that_the_handler_does_not_read(connection: http.client.HTTPConnection) -> None:
    """A short one is passed over, and the next request on the connection is read rightly."""
    for _ in range(3):
        connection.request("POST", "/ignore", body=b"GET / HTTP/1.1\r\n\r\n" * 50)
        answer = connection.getresponse()
        assert answer.read() == b"ignored\n"


def test_the_client_sees_that_an_answer_was_cut(connection: http.client.HTTPConnection) -> None:
    """A download that ends early because the client left harms the next one in nothing."""
    connection.request("GET", f"/bytes/{8 * MIB}")
    connection.getresponse().read(1000)
    connection.close()
    connection.request("GET", "/hello")
    assert connection.getresponse().read() == b"hello\n"


# urllib


def opener(application: Application) -> urllib.request.OpenerDirector:
    trusting = ssl.create_default_context(cafile=str(application.keys.authority))
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=trusting),
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
    )


@pytest.mark.parametrize("over", ["http", "https"])
def test_urllib_reads_sends_and_is_redirected(application: Application, over: str) -> None:
    url = application.url if over == "http" else application.tls_url
    with opener(application).open(f"{url}/hello") as answer:
        assert (answer.status, answer.read()) == (200, b"hello\n")
    fields = urllib.parse.urlencode({"a": "ä b", "c": ""}).encode()
    with opener(application).open(f"{url}/fields", data=fields) as answer:
        assert parsed(answer.read()) == [["a", "ä b"], ["c", ""]]
    with opener(application).open(f"{url}/redirect/3") as answer:
        assert answer.url == f"{url}/inspect"
        assert parsed(answer.read())["url"] == "/inspect"


def test_urllib_keeps_cookies(application: Application) -> None:
    keeping = opener(application)
    keeping.open(f"{application.url}/cookies/set").close()
    with keeping.open(f"{application.url}/inspect") as answer:
        assert parsed(answer.read())["cookies"] == {"plain": "one", "lasting": "two"}


@pytest.mark.parametrize(
    ("path", "status"), [("/fail", 500), ("/files/none", 404), ("/status/418", 418)]
)
def test_urllib_is_told_of_failures(application: Application, path: str, status: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener(application).open(application.url + path)
    assert caught.value.code == status
    caught.value.close()


# The wire


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


def test_pipelined_requests_are_answered_in_order(application: Application) -> None:
    """The slow one first: those behind it are answered after it."""
    paths = ["/pause"] + [f"/hello/{number}" for number in range(50)] + ["/pause", "/hello"]
    wanted = [b"paused\n"] + [b"hello, %d\n" % number for number in range(50)]
    with Raw(application.port) as raw:
        raw.send(b"".join(get(path) for path in paths))
        assert [raw.whole().body for _ in paths] == wanted + [b"paused\n", b"hello\n"]


def test_pipelined_bodies_do_not_run_into_each_other(application: Application) -> None:
    chance = random.Random(5)
    bodies = [chance.randbytes(chance.randrange(0, 20_000)) for _ in range(40)]
    sent = bytearray()
    for number, body in enumerate(bodies):
        head = f"POST /echo HTTP/1.1\r\nHost: a\r\nX-Number: {number}\r\n"
        if number % 2:
            sent += f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        else:
            half = len(body) // 2
            sent += f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
            for piece in (body[:half], body[half:]):
                if piece:
                    sent += b"%x\r\n%b\r\n" % (len(piece), piece)
            sent += b"0\r\n\r\n"
    with Raw(application.port) as raw:
        # All of it goes into buffers: some 400 KB, which the server takes as it answers.
        raw.send(bytes(sent[: len(sent) // 2]))
        first = raw.whole().body
        raw.send(bytes(sent[len(sent) // 2 :]))
        assert [first] + [raw.whole().body for _ in bodies[1:]] == bodies


def test_a_request_in_single_bytes(application: Application) -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Raw(application.port) as raw:
        for byte in request + b"5;ext=1\r\nhello\r\n0\r\nX-After: all\r\n\r\n":
            raw.send(bytes([byte]))
        answer = raw.whole("POST")
    assert (answer.status, answer.body) == (200, b"hello")


def test_trailers_on_the_wire(application: Application) -> None:
    with Raw(application.port) as raw:
        raw.send(get("/trailers", "TE: trailers", "Connection: close"))
        head, _, body = raw.rest().partition(b"\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked" in head.lower()
    assert b"\r\ntrailer: x-digest" in head.lower()
    # The pieces, then 0, then the fields, then nothing more.
    whole = re.fullmatch(
        rb"((?:[0-9a-f]+\r\n.+?\r\n)+)0\r\nx-digest: ([0-9a-f]{64})\r\n\r\n",
        body,
        re.DOTALL | re.IGNORECASE,
    )
    assert whole is not None, body
    pieces = re.findall(rb"([0-9a-f]+)\r\n(.+?)\r\n", whole[1], re.DOTALL)
    assert all(int(size, 16) == len(piece) for size, piece in pieces)
    sent = b"".join(piece for _, piece in pieces)
    assert hashlib.sha256(sent).hexdigest().encode() == whole[2]


def test_trailers_that_come_in_are_read(application: Application) -> None:
    with Raw(application.port) as raw:
        raw.send(
            b"POST /inspect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n"
        )
        told = parsed(raw.whole("POST").body)
    assert told["trailers"] == [["x-one", "1"], ["x-two", "2"]]
    # They are none of the head's fields.
    assert "x-one" not in told["headers"]


def test_http_1_0_has_neither_chunks_nor_a_connection_that_stays(
    application: Application,
) -> None:
    with Raw(application.port) as raw:
        raw.send(b"GET /bytes/100000 HTTP/1.0\r\n\r\n")
        head, _, body = raw.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.")
    assert b"transfer-encoding" not in head.lower()
    assert len(body) == 100_000


def test_100_continue_comes_before_the_body_is_sent(application: Application) -> None:
    with Raw(application.port) as raw:
        raw.send(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        assert raw.reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert raw.reader.readline() == b"\r\n"
        raw.send(b"hello")
        assert raw.whole("POST").body == b"hello"


def test_an_upgrade_that_is_not_offered_is_passed_over(application: Application) -> None:
    """Even with a body behind it, which another protocol might have taken for its own."""
    with Raw(application.port) as raw:
        raw.send(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 4\r\n\r\nbody"
        )
        answer = raw.whole("POST")
        assert (answer.status, answer.body) == (200, b"body")
        raw.send(get("/hello"))
        assert raw.whole().body == b"hello\n"
