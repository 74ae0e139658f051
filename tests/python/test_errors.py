"""What becomes of a handler that fails: the client, the log, and everybody else."""

from __future__ import annotations

import http.client
import logging
import sys
import threading

import pytest

from oxbridge import BadBody, BodyTimeout, BodyTooLarge, ClientGone, Mux, Request, ResponseWriter
from oxbridge.testing import serve
from wire import Wire


def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello")


@pytest.mark.parametrize("blocking", [True, False])
def test_an_exception_is_500_with_its_traceback_in_the_log(
    blocking: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def deep() -> None:
        raise KeyError("of the handler")

    def failing(w: ResponseWriter, req: Request) -> None:
        w.header["X-Mine"] = "gone"
        w.set_status(201)
        w.write("forgotten")
        deep()

    mux = Mux()
    mux.handle("/fails", failing, blocking=blocking)
    mux.handle("/", hello)
    with serve(mux) as client:
        answer = client.get("/fails?a=b")
        assert (answer.status, answer.text) == (500, "Internal Server Error\n")
        assert answer.headers["X-Mine"] is None
        assert client.get("/").text == "hello"
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("oxbridge", logging.ERROR)
    assert "GET /fails" in record.getMessage()
    assert record.exc_info is not None
    assert "in deep" in caplog.text
    assert "KeyError: 'of the handler'" in caplog.text


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError])
def test_nothing_that_a_handler_raises_ends_the_server(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def failing(w: ResponseWriter, req: Request) -> None:
        raise kind

    mux = Mux()
    mux.handle("/fails", failing)
    mux.handle("/", hello)
    with serve(mux) as client:
        for _ in range(3):
            assert client.get("/fails").status == 500
            assert client.get("/").text == "hello"
    assert caplog.text.count(kind.__name__) >= 3


def test_an_exception_after_the_head_aborts_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    def failing(w: ResponseWriter, req: Request) -> None:
        w.write("begun")
        w.flush()
        raise ValueError("too late")

    with serve(failing) as client, pytest.raises(http.client.IncompleteRead) as error:
        client.get("/")
    assert error.value.partial == b"begun"
    assert "too late" in caplog.text


@pytest.mark.parametrize(
    ("error", "status"),
    [(BodyTooLarge("x"), 413), (BadBody("x"), 400), (BodyTimeout("x"), 408)],
)
def test_what_is_the_client_s_fault_is_told_the_client(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def plain(w: ResponseWriter, req: Request) -> None:
        raise error

    async def coroutine(w: ResponseWriter, req: Request) -> None:
        raise error

    for handler in (plain, coroutine):
        with serve(handler) as client:
            assert client.get("/").status == status
    assert caplog.records == []


def test_a_client_that_has_gone_is_no_error_of_the_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended, gone = threading.Event(), threading.Event()

    def handler(w: ResponseWriter, req: Request) -> None:
        w.write("x")
        w.flush()
        assert gone.wait(20)
        try:
            while True:
                w.write(bytes(100_000))
        finally:
            ended.set()

    with serve(handler) as client:
        with Wire(client.url) as wire:
            wire.head("GET", "/")
            assert wire.answer().read(1) == b"x"
        gone.set()
        assert ended.wait(20)
    assert caplog.records == []
    assert issubclass(ClientGone, ConnectionError)


def test_a_wrong_length_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        w.header["Content-Length"] = "10"
        w.write("short")

    with serve(handler) as client, pytest.raises((http.client.HTTPException, ConnectionError)):
        client.get("/")
    assert "Content-Length is 10 but the handler wrote 5 bytes" in caplog.text


@pytest.mark.parametrize("handler", [lambda: None, lambda w: None, lambda w, req, more: None])
def test_a_handler_with_other_arguments_is_500_and_in_the_log(
    handler: object, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(handler) as client:  # type: ignore[arg-type]
        assert client.get("/").status == 500
    assert "TypeError" in caplog.text
    assert "positional argument" in caplog.text


def test_a_log_that_fails_does_not_end_the_server(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("the log is broken")

    def failing(w: ResponseWriter, req: Request) -> None:
        raise ValueError

    broken, logger = Broken(), logging.getLogger("oxbridge")
    unraisable: list[object] = []
    before, sys.unraisablehook = sys.unraisablehook, unraisable.append
    logger.addHandler(broken)
    try:
        with serve(failing) as client:
            for _ in range(3):
                assert client.get("/").status == 500
    finally:
        logger.removeHandler(broken)
        sys.unraisablehook = before
    assert len(unraisable) == 3


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_no_http_reaches_no_handler(request_bytes: bytes) -> None:
    called = threading.Event()

    def handler(w: ResponseWriter, req: Request) -> None:
        called.set()

    with serve(handler) as client, Wire(client.url) as wire:
        wire.send(request_bytes)
        assert wire.rest().startswith(b"HTTP/1.1 400 ")
    assert not called.is_set()


def test_a_request_larger_than_the_limits() -> None:
    with serve(hello, max_header_bytes=8192, max_headers=5) as client:
        assert client.get("/", {"X-A": "x" * 10_000}).status == 431
        assert client.get("/", {f"X-{n}": "x" for n in range(6)}).status == 431
        assert client.get("/", {"X-A": "x" * 1000}).status == 200


def test_a_client_that_sends_no_request_in_time_is_cut() -> None:
    with serve(hello, header_timeout=0.1) as client, Wire(client.url) as wire:
        wire.send("GET / HTTP/1.1\r\nHost:")
        assert wire.rest().partition(b"\r\n")[0] in (b"", b"HTTP/1.1 408 Request Timeout")


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_client_that_stops_in_its_body_is_answered_408(kind: str) -> None:
    def plain(w: ResponseWriter, req: Request) -> None:
        w.write(req.read())

    async def coroutine(w: ResponseWriter, req: Request) -> None:
        w.write(await req.aread())

    handler = plain if kind == "plain" else coroutine
    with serve(handler, buffer_body=0, body_timeout=0.1) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Content-Length": 10})
        wire.send("half")
        assert wire.answer("POST").status == 408


def test_an_idle_connection_is_closed_in_time() -> None:
    with serve(hello, keep_alive_timeout=0.1) as client, Wire(client.url) as wire:
        wire.head("GET", "/")
        assert wire.answer().read() == b"hello"
        assert wire.rest() == b""
