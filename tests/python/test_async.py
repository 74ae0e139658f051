"""Coroutine handlers: on one event loop beside the threads, with back-pressure both ways."""

from __future__ import annotations

import asyncio
import functools
import http.client
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from oxbridge import ClientGone, Mux, Request, ResponseEnded, ResponseWriter
from oxbridge.testing import serve
from wire import Wire

# Each way in which a server and the loop of its coroutines work together.
pytestmark = pytest.mark.usefixtures("drives")


async def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello")


def test_a_coroutine_answers() -> None:
    async def handler(w: ResponseWriter, req: Request) -> None:
        await asyncio.sleep(0)
        w.set_status(201)
        w.header["X-A"] = "b"
        assert await w.awrite("caf\u00e9 ") == 6
        assert await w.awrite(b"bytes") == 5
        await w.aflush()
        w.write(f" {req.path_value('x')}")

    mux = Mux()
    mux.handle("/{x}", handler)
    with serve(mux) as client:
        answer = client.get("/here")
    assert (answer.status, answer.headers["X-A"]) == (201, "b")
    assert answer.text == "caf\u00e9 bytes here"


def test_every_kind_of_coroutine_function_is_one() -> None:
    class Callable:
        async def __call__(self, w: ResponseWriter, req: Request) -> None:
            await hello(w, req)

        async def method(self, w: ResponseWriter, req: Request) -> None:
            await hello(w, req)

    async def three(extra: str, w: ResponseWriter, req: Request) -> None:
        w.write(extra)

    mux = Mux()
    mux.handle("/object", Callable())
    mux.handle("/method", Callable().method)
    mux.handle("/partial", functools.partial(three, "hello"))
    with serve(mux) as client:
        assert [client.get(path).text for path in mux.patterns] == ["hello"] * 3


def test_coroutines_and_plain_functions_serve_side_by_side() -> None:
    """Coroutines share the loop's one thread; plain functions have others."""
    threads: dict[str, set[int]] = {"async": set(), "plain": set()}
    loops: set[asyncio.AbstractEventLoop] = set()

    async def coroutine(w: ResponseWriter, req: Request) -> None:
        threads["async"].add(threading.get_ident())
        loops.add(asyncio.get_running_loop())

    def plain(w: ResponseWriter, req: Request) -> None:
        threads["plain"].add(threading.get_ident())

    mux = Mux()
    mux.handle("/async", coroutine)
    mux.handle("/plain", plain)
    with serve(mux) as client:
        for _ in range(5):
            client.get("/async")
            client.get("/plain")
    assert len(threads["async"]) == len(loops) == 1
    assert not threads["async"] & threads["plain"]
    assert loops.pop().is_closed()


def test_many_coroutines_wait_at_the_same_time() -> None:
    waiting = 0
    all_here: asyncio.Event | None = None

    async def handler(w: ResponseWriter, req: Request) -> None:
        nonlocal waiting, all_here
        all_here = all_here or asyncio.Event()
        waiting += 1
        if waiting == 50:
            all_here.set()
        # None of them ends before all of them have begun.
        await all_here.wait()
        w.write("together")

    with serve(handler, threads=1) as client, ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(client.get, ["/"] * 50))
    assert [answer.text for answer in answers] == ["together"] * 50


# The body


def test_a_body_is_read_whole_or_by_pieces() -> None:
    sent = bytes(i % 251 for i in range(1_000_000))

    async def whole(w: ResponseWriter, req: Request) -> None:
        w.write(await req.aread())
        assert await req.aread() == await req.aread(10) == b""

    async def pieces(w: ResponseWriter, req: Request) -> None:
        async for piece in req:
            await w.awrite(piece)

    async def steps(w: ResponseWriter, req: Request) -> None:
        assert await req.aread(0) == b""
        while piece := await req.aread(1000):
            assert len(piece) <= 1000
            await w.awrite(piece)

    for handler in (whole, pieces, steps):
        with serve(handler) as client:
            assert client.request("POST", "/", sent).body == sent
            assert client.request("POST", "/", iter([sent[:5], sent[5:]])).body == sent
            assert client.request("POST", "/", "small").body == b"small"
            assert client.get("/").body == b""


def test_a_body_is_handed_over_as_it_arrives() -> None:
    async def handler(w: ResponseWriter, req: Request) -> None:
        while piece := await req.aread(100):
            w.write(piece.upper())
            await w.aflush()

    with serve(handler, buffer_body=0) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Content-Length": 6})
        wire.send("abc")
        answer = wire.answer("POST")
        assert answer.read(3) == b"ABC"
        wire.send("def")
        assert answer.read() == b"DEF"


def test_a_body_past_the_limit_is_413() -> None:
    async def handler(w: ResponseWriter, req: Request) -> None:
        await req.aread()

    with serve(handler, max_body=1000, buffer_body=0) as client:
        assert client.request("POST", "/", iter([bytes(900), bytes(900)])).status == 413


def test_what_is_no_json_is_400() -> None:
    async def handler(w: ResponseWriter, req: Request) -> None:
        req.json()

    with serve(handler) as client:
        assert client.request("POST", "/", "{").status == 400


def test_a_client_that_hangs_up_in_the_middle_of_its_body() -> None:
    seen: list[BaseException] = []
    started = threading.Event()

    async def handler(w: ResponseWriter, req: Request) -> None:
        started.set()
        try:
            await req.aread()
        except ClientGone as error:
            seen.append(error)
            raise

    with serve(handler, buffer_body=0) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Content-Length": 10})
        wire.send("half")
        assert started.wait(20)
    assert len(seen) == 1


# Writing


@pytest.mark.parametrize("chunk", [64 << 10, 8 << 20])
def test_a_slow_client_slows_the_coroutine_down_and_no_other(chunk: int) -> None:
    size = 64 << 20
    written = 0
    stalled = threading.Event()

    async def handler(w: ResponseWriter, req: Request) -> None:
        nonlocal written
        w.header["Content-Length"] = str(size)
        while written < size:
            written += await w.awrite(bytes(chunk))
            if written > 32 << 20:
                stalled.set()

    mux = Mux()
    mux.handle("/large", handler)
    mux.handle("/", hello)
    with serve(mux) as client, Wire(client.url, receive_buffer=65536) as wire:
        wire.head("GET", "/large")
        answer = wire.answer()
        taken = len(answer.read(1 << 20))
        assert not stalled.wait(0.5)
        assert client.get("/").text == "hello"
        while piece := answer.read(1 << 20):
            taken += len(piece)
        assert taken == size


def test_a_client_that_has_gone_is_an_error_for_the_writer() -> None:
    told: list[object] = []
    started = threading.Event()

    async def handler(w: ResponseWriter, req: Request) -> None:
        started.set()
        try:
            while True:
                await w.awrite(bytes(100_000))
        except ClientGone:
            told.append(w.client_gone)
            raise

    with serve(handler) as client, Wire(client.url) as wire:
        wire.head("GET", "/")
        assert started.wait(20)
        assert wire.answer().read(5) == bytes(5)
    assert told == [True]


def test_after_the_end_writing_is_an_error() -> None:
    kept: list[ResponseWriter] = []

    async def keeper(w: ResponseWriter, req: Request) -> None:
        kept.append(w)

    with serve(keeper) as client:
        client.get("/")
    with pytest.raises(ResponseEnded):
        kept[0].write("late")
    with pytest.raises(ResponseEnded):
        asyncio.run(kept[0].awrite("late"))  # type: ignore[arg-type]


def test_the_coroutine_s_methods_are_for_coroutines() -> None:
    said: list[str] = []

    def plain(w: ResponseWriter, req: Request) -> None:
        for attempt in (w.awrite("x"), w.aflush(), req.aread()):
            with pytest.raises(RuntimeError, match="plain function") as error:
                asyncio.run(attempt)  # type: ignore[arg-type]
            said.append(str(error.value))

    with serve(plain) as client:
        assert client.get("/").status == 200
    assert len(said) == 3


# What goes wrong


def test_an_exception_is_500_with_its_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def deep() -> None:
        await asyncio.sleep(0)
        raise KeyError("of the handler")

    async def failing(w: ResponseWriter, req: Request) -> None:
        w.write("forgotten")
        await deep()

    mux = Mux()
    mux.handle("/fails", failing)
    mux.handle("/", hello)
    with serve(mux) as client:
        answer = client.get("/fails")
        assert (answer.status, answer.text) == (500, "Internal Server Error\n")
        assert client.get("/").text == "hello"
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("oxbridge", logging.ERROR)
    assert "GET /fails" in record.getMessage()
    assert "in deep" in caplog.text
    assert "KeyError: 'of the handler'" in caplog.text


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_nothing_that_a_coroutine_raises_ends_the_server(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(w: ResponseWriter, req: Request) -> None:
        if req.query.get("wait"):
            await asyncio.sleep(0)
        raise kind

    mux = Mux()
    mux.handle("/fails", failing)
    mux.handle("/", hello)
    with serve(mux) as client:
        for target in ("/fails", "/fails?wait=1"):
            assert client.get(target).status >= 500
            assert client.get("/").text == "hello"
    assert len(caplog.records) == 2
    assert kind.__name__ in caplog.text


def test_an_exception_after_the_head_aborts_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(w: ResponseWriter, req: Request) -> None:
        await w.awrite("begun")
        await w.aflush()
        raise ValueError("too late")

    with serve(failing) as client, pytest.raises(http.client.IncompleteRead):
        client.get("/")
    assert "too late" in caplog.text


def test_a_wrong_length_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(w: ResponseWriter, req: Request) -> None:
        w.header["Content-Length"] = "10"
        w.write("short")

    with serve(handler) as client, pytest.raises((http.client.HTTPException, ConnectionError)):
        client.get("/")
    assert "Content-Length" in caplog.text
