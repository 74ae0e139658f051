"""The event loop of coroutine handlers: what asyncio promises holds, and it ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import http.client
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from oxbridge import Mux, Request, ResponseWriter, Server
from oxbridge.mux import Handler
from oxbridge.testing import Client, serve
from serving import ServeSource
from wire import Wire

# Each way in which a server and the loop of its coroutines work together.
pytestmark = pytest.mark.usefixtures("drives")


async def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello")


# Who drives the server


def test_coroutines_alone_are_served_by_the_thread_of_their_loop(drives: bool) -> None:
    mux = Mux()
    mux.handle("/", hello)
    mux.handle("/at-once", lambda w, req: None, blocking=False)
    assert is_driven(mux) is drives


def test_what_may_block_has_the_server_use_threads_of_its_own() -> None:
    mux = Mux()
    mux.handle("/", hello)
    mux.handle("/plain", lambda w, req: None)
    assert not is_driven(mux)
    mux = Mux()
    mux.handle("/", hello)
    mux.mount(lambda environ, start_response: [], interface="wsgi")
    assert not is_driven(mux)


def is_driven(mux: Mux) -> bool:
    """Whether a server has no thread of its own for sockets."""
    with Server(mux) as server:
        assert Client(server).get("/").text == "hello"
        life = server._life
        assert life is not None
        # Such a server has no queue that a loop would have to watch.
        return life.core.async_fd() is None


# What asyncio promises


def test_each_handler_is_a_task_in_a_context_of_its_own() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="unset")
    tasks: set[int] = set()
    here: list[asyncio.Event] = []

    async def later() -> str:
        return name.get()

    async def handler(w: ResponseWriter, req: Request) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(id(task))
        before = name.get()
        name.set(req.path)
        event = asyncio.Event()
        here.append(event)
        if len(here) == 2:
            for each in here:
                each.set()
        await event.wait()
        assert asyncio.current_task() is task
        child = await asyncio.create_task(later())
        in_thread = await asyncio.to_thread(name.get)
        w.json([before, name.get(), child, in_thread])

    with serve(handler) as client, ThreadPoolExecutor(2) as pool:
        answers = [answer.json() for answer in pool.map(client.get, ["/a", "/b"])]
    assert answers == [["unset", "/a", "/a", "/a"], ["unset", "/b", "/b", "/b"]]
    assert len(tasks) == 2


def test_timeouts_and_task_groups_work() -> None:
    async def handler(w: ResponseWriter, req: Request) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, n)) for n in range(3)]
        w.json([task.result() for task in tasks])

    with serve(handler) as client:
        assert client.get("/").json() == [0, 1, 2]


def test_a_timeout_can_interrupt_the_wait_for_a_body() -> None:
    async def handler(w: ResponseWriter, req: Request) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await req.aread()
        w.write("waited long enough")
        await w.aflush()
        w.write(await req.aread())

    with serve(handler, buffer_body=0) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Content-Length": 3})
        answer = wire.answer("POST")
        assert answer.read(18) == b"waited long enough"
        wire.send("end")
        assert answer.read() == b"end"


# The end


def test_what_runs_may_finish_in_the_drain() -> None:
    started, go = threading.Event(), threading.Event()

    async def slow(w: ResponseWriter, req: Request) -> None:
        started.set()
        await asyncio.to_thread(go.wait, 20)
        w.write("finished")

    mux = Mux()
    mux.handle("/", slow)
    server = Server(mux)
    server.start()
    with Wire(server.url) as wire:
        wire.head("GET", "/")
        assert started.wait(20)
        server.begin_stop()
        go.set()
        assert wire.answer().read() == b"finished"
    assert server.stop()


def test_a_handler_whose_client_has_left_may_finish_too() -> None:
    started, go = threading.Event(), threading.Event()
    finished: list[bool] = []

    async def slow(w: ResponseWriter, req: Request) -> None:
        started.set()
        await asyncio.to_thread(go.wait, 20)
        finished.append(True)

    mux = Mux()
    mux.handle("/", slow)
    server = Server(mux)
    server.start()
    with Wire(server.url) as wire:
        wire.head("GET", "/")
        assert started.wait(20)
    server.begin_stop()
    go.set()
    assert server.stop()
    assert finished == [True]


def test_at_the_end_of_the_drain_handlers_are_cancelled() -> None:
    started = threading.Event()
    seen: list[object] = []

    async def endless(w: ResponseWriter, req: Request) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            # A moment to tidy up is granted.
            await asyncio.sleep(0)
            seen.append(error)
            raise

    mux = Mux()
    mux.handle("/", endless)
    server = Server(mux)
    server.start()
    with Wire(server.url) as wire:
        wire.head("GET", "/")
        assert started.wait(20)
        assert server.stop(timeout=0.05)
    assert len(seen) == 1


@contextlib.contextmanager
def stopped_beside(handler: Handler, started: threading.Event) -> Iterator[Wire]:
    """Stop a server while a handler runs that will not end; give the client that waits for it."""
    mux = Mux()
    mux.handle("/", handler)
    server = Server(mux)
    server.start()
    with Wire(server.url) as wire:
        wire.head("GET", "/")
        assert started.wait(20)
        began = time.monotonic()
        assert not server.stop(timeout=0)
        assert time.monotonic() - began < 15
        yield wire


def test_a_handler_that_will_not_be_cancelled_does_not_hold_up_the_stop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    started, go = threading.Event(), threading.Event()

    async def stubborn(w: ResponseWriter, req: Request) -> None:
        started.set()
        while not go.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    with stopped_beside(stubborn, started):
        pass
    go.set()
    assert "A handler still runs" in caplog.text


def test_a_handler_that_blocks_the_loop_does_not_hold_up_the_stop() -> None:
    started, go = threading.Event(), threading.Event()

    async def rude(w: ResponseWriter, req: Request) -> None:
        started.set()
        go.wait(60)

    with stopped_beside(rude, started) as wire:
        go.set()
        # Once the loop is free again, its thread closes what it still has.
        with contextlib.suppress(ConnectionError):
            wire.rest()


def test_the_loop_is_closed_in_order() -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append("generator")

    kept: list[Any] = []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("task")

    async def handler(w: ResponseWriter, req: Request) -> None:
        generator = numbers()
        kept.append(generator)
        await anext(generator)
        kept.append(asyncio.create_task(background()))
        await asyncio.sleep(0)

    with serve(handler) as client:
        assert client.get("/").status == 200
        assert closed == []
    assert sorted(closed) == ["generator", "task"]


def test_a_server_with_coroutines_can_be_started_again() -> None:
    mux = Mux()
    mux.handle("/", hello)
    server, before = Server(mux), set(threading.enumerate())
    for _ in range(3):
        with server:
            assert Client(server).get("/").text == "hello"
            assert set(threading.enumerate()) - before
    assert not set(threading.enumerate()) - before


def test_debug_mode_finds_nothing_to_say_of_us(serve_source: ServeSource) -> None:
    served = serve_source(
        """
        import asyncio
        from oxbridge import route, run

        @route("/")
        async def echo(w, req):
            assert asyncio.get_running_loop().get_debug()
            async for piece in req:
                await w.awrite(piece)
            await w.aflush()

        run(port=0)
        """,
        env={"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"},
    )
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("POST", "/", bytes(1_000_000))
    assert connection.getresponse().read() == bytes(1_000_000)
    connection.close()
    assert served.stop(signal.SIGINT) == 0
    # On a busy machine a step may take long, and asyncio says so.
    said = [line for line in served.stderr.splitlines()[1:] if " took " not in line]
    assert said == []
