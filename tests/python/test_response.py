"""What a handler answers, and what of it the client gets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from oxbridge import ClientGone, Request, ResponseEnded, ResponseWriter
from oxbridge.testing import Response, serve
from wire import Wire

Answer = Callable[[ResponseWriter], Any]


def get(answer: Answer, method: str = "GET", headers: dict[str, str] | None = None) -> Response:
    """Serve one request with a handler that answers so."""

    def handler(w: ResponseWriter, req: Request) -> None:
        answer(w)

    with serve(handler) as client:
        return client.request(method, "/", headers=headers)


def seen(look: Callable[[ResponseWriter], object]) -> object:
    """What a handler sees, or does not, while it answers."""
    found: list[object] = []
    answer = get(lambda w: found.append(look(w)))
    assert answer.status == 200, answer.text
    (value,) = found
    return value


# The body


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ("text \u20ac", "text \u20ac".encode()),
        (b"bytes \0", b"bytes \0"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"a view of it")[2:6], b"view"),
        ("", b""),
    ],
)
def test_write_takes_text_and_bytes_and_counts_bytes(data: Any, body: bytes) -> None:
    counts: list[int] = []

    def answer(w: ResponseWriter) -> None:
        counts.append(w.write(data))
        counts.append(w.written)

    assert get(answer).body == body
    assert counts == [len(body), len(body)]


@pytest.mark.parametrize("data", [None, 5, ["a"], object()])
def test_write_takes_nothing_else(data: Any) -> None:
    def look(w: ResponseWriter) -> str:
        with pytest.raises(TypeError) as error:
            w.write(data)
        return str(error.value)

    assert type(data).__name__ in str(seen(look))


def test_a_short_answer_has_a_length_and_a_long_one_is_chunked() -> None:
    short = get(lambda w: w.write("short"))
    assert short.headers["Content-Length"] == "5"
    assert short.headers["Transfer-Encoding"] is None
    long = get(lambda w: [w.write("x" * 1000) for _ in range(1000)])
    assert len(long.body) == 1_000_000
    assert long.headers["Transfer-Encoding"] == "chunked"

    def declare(w: ResponseWriter) -> None:
        w.header["Content-Length"] = 100_000
        w.write(bytes(100_000))

    declared = get(declare)
    assert declared.headers["Content-Length"] == "100000"
    assert declared.headers["Transfer-Encoding"] is None


def test_an_answer_of_nothing_is_200_and_empty() -> None:
    answer = get(lambda w: None)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == "0"
    assert answer.headers["Date"]


def test_flush_sends_now() -> None:
    go = threading.Event()

    def handler(w: ResponseWriter, req: Request) -> None:
        w.write("first")
        w.flush()
        assert go.wait(20)
        w.write("second")

    with serve(handler) as client, Wire(client.url) as wire:
        wire.head("GET", "/")
        answer = wire.answer()
        assert answer.read(5) == b"first"
        go.set()
        assert answer.read() == b"second"


def test_head_gets_the_head_alone() -> None:
    answer = get(lambda w: w.write("hello"), "HEAD")
    assert answer.body == b""
    assert answer.headers["Content-Length"] == "5"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body(status: int) -> None:
    def answer(w: ResponseWriter) -> None:
        w.set_status(status)
        w.write("")
        with pytest.raises(ValueError, match=str(status)):
            w.write("x")

    got = get(answer)
    assert (got.status, got.body) == (status, b"")
    assert got.headers["Content-Length"] is None


def test_a_declared_length_binds_the_handler() -> None:
    def look(w: ResponseWriter) -> str:
        w.header["Content-Length"] = "3"
        with pytest.raises(ValueError, match="Content-Length") as error:
            w.write("four")
        w.write("ok!")
        return str(error.value)

    assert "3" in str(seen(look))


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        ("plain", "text/plain; charset=utf-8"),
        ("<!doctype html><p>", "text/html; charset=utf-8"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\0\1\2", "application/octet-stream"),
    ],
)
def test_the_content_type_is_guessed_unless_set(data: str | bytes, content_type: str) -> None:
    assert get(lambda w: w.write(data)).headers["Content-Type"] == content_type

    def set_it(w: ResponseWriter) -> None:
        w.header["content-type"] = "text/x"
        w.write(data)

    set_by_hand = get(set_it)
    assert set_by_hand.headers.get_all("Content-Type") == ["text/x"]


# Status and head


def test_the_status_can_be_set_until_the_head_is_sent() -> None:
    def answer(w: ResponseWriter) -> None:
        assert w.status == 200
        w.set_status(404)
        w.set_status(418)
        assert w.status == 418
        w.write("x")
        w.flush()
        changes: list[Callable[[], object]] = [
            lambda: w.set_status(500),
            lambda: w.header.add("X-Late", "x"),
            lambda: w.header.__setitem__("X-Late", "x"),
            lambda: w.set_cookie("a", "b"),
            lambda: w.redirect("/"),
            lambda: w.json({}),
            lambda: w.error("x", 500),
        ]
        for change in changes:
            with pytest.raises(ResponseEnded, match="already"):
                change()
        w.write("y")

    got = get(answer)
    assert (got.status, got.text) == (418, "xy")
    assert got.headers["X-Late"] is None


def test_write_header_sets_the_status_as_in_go() -> None:
    def answer(w: ResponseWriter) -> None:
        w.write_header(201)
        w.write("made")

    got = get(answer)
    assert (got.status, got.text) == (201, "made")


@pytest.mark.parametrize("code", [0, 99, 101, 1000, -1, 70000])
def test_what_is_no_status_is_an_error(code: int) -> None:
    def look(w: ResponseWriter) -> str:
        with pytest.raises((ValueError, OverflowError)) as error:
            w.set_status(code)
        return str(error.value)

    assert seen(look)


def test_early_hints_come_before_the_answer() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        w.header["Link"] = "</style.css>; rel=preload"
        w.write_header(103)
        w.write("done")

    with serve(handler) as client, Wire(client.url) as wire:
        wire.head("GET", "/")
        assert wire.line() == b"HTTP/1.1 103 Early Hints\r\n"
        assert wire.line().lower() == b"link: </style.css>; rel=preload\r\n"
        assert wire.line() == b"\r\n"
        answer = wire.answer()
        assert (answer.status, answer.read()) == (200, b"done")
        assert answer.headers["Link"] == "</style.css>; rel=preload"


def test_headers_of_an_answer_are_a_mapping() -> None:
    def answer(w: ResponseWriter) -> None:
        header = w.header
        header["X-One"] = "wrong"
        header["x-one"] = "1"
        header.add("X-Many", "a")
        header.add("x-many", b"b")
        header["X-Number"] = 5
        header["X-Gone"] = "x"
        del header["x-gone"]
        with pytest.raises(KeyError):
            del header["X-Gone"]
        assert header["X-ONE"] == "1"
        assert header.get_all("X-Many") == ["a", "b"]
        assert "x-number" in w.header
        assert len(header) == 3
        assert dict(header) == {"X-One": "1", "X-Many": "a", "X-Number": "5"}

    got = get(answer)
    assert got.status == 200, got.text
    assert got.headers.get_all("X-One") == ["1"]
    assert got.headers.get_all("X-Many") == ["a", "b"]
    assert got.headers["X-Number"] == "5"
    assert got.headers["X-Gone"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "line\r\nX-B: injected"),
        ("X-A", "\0"),
        ("X-A", "beyond latin-1 \u20ac"),
        ("X A", "x"),
        ("X:A", "x"),
        ("", "x"),
        ("X-\u00fc", "x"),
    ],
)
def test_what_cannot_stand_in_a_head_is_an_error(name: str, value: str) -> None:
    def look(w: ResponseWriter) -> bool:
        for change in (w.header.add, w.header.__setitem__):
            with pytest.raises(ValueError):  # noqa: PT011 - the message is of many kinds
                change(name, value)
        return len(w.header) == 0

    assert seen(look)


def test_trailers_follow_the_body() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        w.header["Trailer"] = "X-Sum"
        w.write("abc")
        w.flush()
        w.trailer["X-Sum"] = "6"

    with serve(handler) as client, Wire(client.url) as wire:
        wire.head("GET", "/", {"TE": "trailers", "Connection": "close"})
        raw = wire.rest().lower()
        assert raw.endswith(b"0\r\nx-sum: 6\r\n\r\n")


# The shorthands


def test_cookies() -> None:
    def answer(w: ResponseWriter) -> None:
        w.set_cookie("a", "1")
        w.set_cookie(
            "b",
            "2",
            path="/x",
            domain="example.org",
            max_age=60,
            expires=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
            secure=True,
            http_only=True,
            same_site="lax",
        )

    assert get(answer).headers.get_all("Set-Cookie") == [
        "a=1; Path=/",
        "b=2; Path=/x; Domain=example.org; Max-Age=60; Expires=Wed, 02 Jan 2030 03:04:05 GMT;"
        " Secure; HttpOnly; SameSite=Lax",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "a b", "value": "x"},
        {"name": "", "value": "x"},
        {"name": "a", "value": "x; Secure"},
        {"name": "a", "value": "x", "path": "/;"},
        {"name": "a", "value": "x", "same_site": "sometimes"},
    ],
)
def test_a_cookie_that_cannot_be_is_an_error(arguments: dict[str, Any]) -> None:
    def look(w: ResponseWriter) -> bool:
        with pytest.raises(ValueError, match=r"cookie|same_site"):
            w.set_cookie(**arguments)
        return True

    assert seen(look)


def test_redirect() -> None:
    got = get(lambda w: w.redirect("/else where\u00fc?a=b"))
    assert got.status == 302
    assert got.headers["Location"] == "/else%20where%C3%BC?a=b"
    assert get(lambda w: w.redirect("https://example.org/", 308)).status == 308


def test_error() -> None:
    got = get(lambda w: w.error("no such thing", 404))
    assert (got.status, got.text) == (404, "no such thing\n")
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert got.headers["X-Content-Type-Options"] == "nosniff"


def test_json() -> None:
    got = get(lambda w: w.json({"a": [1, None, "\u20ac"]}, 201))
    assert (got.status, got.json()) == (201, {"a": [1, None, "\u20ac"]})
    assert got.headers["Content-Type"] == "application/json"
    assert get(lambda w: w.json(None)).text == "null"


def test_what_json_cannot_say_changes_nothing() -> None:
    def answer(w: ResponseWriter) -> None:
        with pytest.raises(TypeError):
            w.json({"a": object()}, 500)
        w.write("still here")

    got = get(answer)
    assert (got.status, got.text) == (200, "still here")


# Files


def test_serve_file(tmp_path: Path) -> None:
    file = tmp_path / "page.css"
    file.write_bytes(b"0123456789" * 10)
    by_path = get(lambda w: w.serve_file(file))
    assert (by_path.status, by_path.body) == (200, b"0123456789" * 10)
    assert by_path.headers["Content-Type"].startswith("text/css")
    assert by_path.headers["Accept-Ranges"] == "bytes"
    assert by_path.headers["Content-Length"] == "100"
    assert get(lambda w: w.serve_file(str(file)), "HEAD").headers["Content-Length"] == "100"

    part = get(lambda w: w.serve_file(file), headers={"Range": "bytes=5-14"})
    assert (part.status, part.body) == (206, b"5678901234")
    assert part.headers["Content-Range"] == "bytes 5-14/100"
    beyond = get(lambda w: w.serve_file(file), headers={"Range": "bytes=100-"})
    assert beyond.status == 416
    assert beyond.headers["Content-Range"] == "bytes */100"

    for header, name in (("Last-Modified", "If-Modified-Since"), ("ETag", "If-None-Match")):
        known = by_path.headers[header]
        assert get(lambda w: w.serve_file(file), headers={name: known}).status == 304


def test_a_file_of_any_size_is_served(tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    contents = bytes(i % 251 for i in range(10_000)) * 500
    file.write_bytes(contents)
    assert get(lambda w: w.serve_file(file)).body == contents


def test_a_coroutine_serves_files_too(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(b"<p>" + bytes(1_000_000))

    async def handler(w: ResponseWriter, req: Request) -> None:
        w.serve_file(file)

    with serve(handler) as client:
        assert client.get("/").body == file.read_bytes()
        assert client.get("/", {"Range": "bytes=0-2"}).body == b"<p>"


# The end


def test_after_the_end_everything_is_an_error() -> None:
    kept: list[ResponseWriter] = []
    get(kept.append)
    (w,) = kept
    changes: list[Callable[[], object]] = [
        lambda: w.write("x"),
        w.flush,
        lambda: w.set_status(500),
        lambda: w.header.add("X-Late", "x"),
        lambda: w.trailer.add("X-Late", "x"),
        lambda: w.json({}),
        lambda: w.error("x", 500),
    ]
    for late in changes:
        with pytest.raises(ResponseEnded):
            late()
    assert w.status == 200
    assert issubclass(ResponseEnded, RuntimeError)


def test_a_client_that_has_gone_is_an_error_for_the_writer() -> None:
    gone = threading.Event()
    told: list[object] = []

    def handler(w: ResponseWriter, req: Request) -> None:
        w.write("hello")
        w.flush()
        assert gone.wait(20)
        try:
            while True:
                w.write(bytes(100_000))
        except ClientGone as error:
            told.extend([error, w.client_gone])
            raise

    with serve(handler) as client:
        with Wire(client.url) as wire:
            wire.head("GET", "/")
            assert wire.answer().read(5) == b"hello"
        gone.set()
    error, client_gone = told
    assert isinstance(error, ConnectionError)
    assert client_gone is True


def test_a_slow_client_slows_the_handler_down() -> None:
    """The handler never gets far ahead of what the client has taken."""
    size, chunk = 64 << 20, bytes(64 << 10)
    written = 0
    stalled = threading.Event()

    def handler(w: ResponseWriter, req: Request) -> None:
        nonlocal written
        w.header["Content-Length"] = str(size)
        while w.written < size:
            # Before this write: a write that waits has not been counted.
            written = w.written
            if written > 16 << 20:
                stalled.set()
            w.write(chunk)

    with serve(handler) as client, Wire(client.url, receive_buffer=65536) as wire:
        wire.head("GET", "/")
        answer = wire.answer()
        taken = len(answer.read(1 << 20))
        # Buffers of both kernels hold some megabytes, the server a quarter of one.
        assert not stalled.wait(0.5)
        assert taken <= written + len(chunk) * 4 < 16 << 20
        while piece := answer.read(1 << 20):
            taken += len(piece)
        assert taken == size


def test_it_is_the_same_over_http2() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        w.header["X-A"] = "b"
        w.set_status(202)
        for _ in range(100):
            w.write("x" * 10_000)
        w.trailer["X-Sum"] = "1"

    with serve(handler) as client, httpx.Client(http1=False, http2=True) as http2:
        answer = http2.get(client.url)
        assert answer.http_version == "HTTP/2"
        assert (answer.status_code, answer.headers["X-A"]) == (202, "b")
        assert len(answer.content) == 1_000_000
