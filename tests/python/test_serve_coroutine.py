"""`Server` on the program's own event loop: `async with`, and `await server.serve()`."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps import Asgi, Rsgi, wsgi
from oxbridge import Config, Mux, Request, ResponseWriter, Server, StartupFailed
from oxbridge.eventloop import new_event_loop
from oxbridge.testing import Client
from serving import Served, python_command

Run = Callable[[Coroutine[Any, Any, None]], None]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "reactor": new_event_loop,
}
if importlib.util.find_spec("uvloop") is not None:
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run a coroutine on each kind of loop."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner.run


async def ask(server: Server, path: str = "/a") -> str:
    return (await asyncio.to_thread(Client(server).get, path)).text


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 20)


# async with


def test_an_asgi_application_runs_on_the_loop_of_the_program(run: Run) -> None:
    app = Asgi()

    async def program() -> None:
        server = Server(app)
        for times in (1, 2):
            async with server:
                assert server.started
                assert await ask(server) == "asgi GET /a by-lifespan"
                assert app.loop is asyncio.get_running_loop()
            assert not server.started
            assert server.addresses == []
            assert app.events == ["startup", "shutdown"] * times

    run(program())


def test_an_rsgi_application_runs_on_the_loop_of_the_program(run: Run) -> None:
    app = Rsgi()

    async def program() -> None:
        async with Server(app) as server:
            assert await ask(server) == "rsgi GET /a"
            assert app.loop is asyncio.get_running_loop()
        assert app.events == ["startup", "shutdown"]

    run(program())


def test_a_mux_runs_its_coroutines_on_the_loop_and_its_functions_on_threads(run: Run) -> None:
    mux = Mux()
    seen: dict[str, Any] = {}

    @mux.route("/coroutine")
    async def coroutine(w: ResponseWriter, req: Request) -> None:
        seen["loop"] = asyncio.get_running_loop()
        await w.awrite("coroutine")

    @mux.route("/function")
    def function(w: ResponseWriter, req: Request) -> None:
        seen["thread"] = threading.current_thread()
        w.write("function")

    async def program() -> None:
        async with Server(mux) as server:
            assert await ask(server, "/coroutine") == "coroutine"
            assert await ask(server, "/function") == "function"
        assert seen["loop"] is asyncio.get_running_loop()
        assert seen["thread"] is not threading.current_thread()

    run(program())


def test_a_wsgi_application_leaves_the_loop_alone(run: Run) -> None:
    async def program() -> None:
        async with Server(wsgi) as server:
            assert await ask(server) == "wsgi GET /a"

    run(program())


def test_several_servers_share_a_loop(run: Run) -> None:
    async def program() -> None:
        apps = [Asgi(), Rsgi(), Asgi()]
        async with Server(apps[0]) as a, Server(apps[1]) as b, Server(apps[2]) as c:
            said = await asyncio.gather(ask(a), ask(b), ask(c))
            assert [text.split()[0] for text in said] == ["asgi", "rsgi", "asgi"]
        assert [app.events for app in apps] == [["startup", "shutdown"]] * 3

    run(program())


def test_what_fails_at_the_start_is_raised_where_the_block_begins(run: Run) -> None:
    async def program() -> None:
        with pytest.raises(StartupFailed, match="no database"):
            async with Server(Asgi(failure="no database")):
                raise AssertionError
        app = Asgi()
        async with Server(wsgi) as other:
            with pytest.raises(OSError, match=f":{other.port}"):
                async with Server(app, port=other.port):
                    raise AssertionError
        assert app.events == ["startup", "shutdown"]

    run(program())


# serve


async def stopped_by(stop: Callable[[Server], object]) -> Asgi:
    """Serve, have something stop it, and see that it has served and ended."""
    app = Asgi()
    server = Server(app)
    assert not server.should_exit
    serving = asyncio.create_task(server.serve())
    await server.wait_started()
    assert await ask(server) == "asgi GET /a by-lifespan"
    stop(server)
    assert server.should_exit
    await serving
    assert not server.started
    return app


def in_thread(call: Callable[[], object]) -> None:
    threading.Thread(target=call).start()


@pytest.mark.parametrize(
    "stop",
    [
        lambda server: server.begin_stop(),
        lambda server: setattr(server, "should_exit", True),
    ],
    ids=["begin_stop", "should_exit"],
)
def test_serve_returns_once_the_server_is_stopped(run: Run, stop: Any) -> None:
    async def program() -> None:
        app = await stopped_by(stop)
        assert app.events == ["startup", "shutdown"]

    run(program())


def test_another_thread_may_stop_it_and_wait(run: Run) -> None:
    async def program() -> None:
        server = Server(Asgi())
        serving = asyncio.create_task(server.serve())
        await server.wait_started()
        with pytest.raises(RuntimeError, match="runs on this very event loop"):
            server.wait()
        assert await asyncio.to_thread(server.stop)
        await serving

    run(program())


def test_a_server_runs_once_at_a_time(run: Run) -> None:
    async def program() -> None:
        async with Server(Asgi()) as server:
            with pytest.raises(RuntimeError, match="runs already, on 127"):
                await server.serve()
            with pytest.raises(RuntimeError, match="runs already, on 127"):
                await asyncio.to_thread(server.start)
            assert await ask(server) == "asgi GET /a by-lifespan"

    run(program())


def test_who_waits_for_a_start_that_fails_is_told(run: Run) -> None:
    async def program() -> None:
        server = Server(Asgi(failure="no"))
        waiting = asyncio.create_task(server.wait_started())
        # One turn of the loop: it waits before anything serves.
        await asyncio.sleep(0)
        with pytest.raises(StartupFailed):
            await server.serve()
        with pytest.raises(RuntimeError, match="has not started"):
            await waiting

    run(program())


def test_a_cancellation_lets_requests_finish_and_the_application_end(run: Run) -> None:
    async def program() -> None:
        app = Asgi()
        server = Server(app)
        serving = asyncio.create_task(server.serve())
        await server.wait_started()
        asked = asyncio.create_task(ask(server, "/wait"))
        await until(app.waiting)
        serving.cancel()
        await asyncio.sleep(0)
        assert [serving.done(), app.events] == [False, ["startup"]]
        app.go()
        assert await asked == "asgi GET /wait by-lifespan"
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert app.events == ["startup", "shutdown"]

    run(program())


def test_a_second_cancellation_cuts(run: Run) -> None:
    async def program() -> None:
        app = Asgi()
        server = Server(app)
        serving = asyncio.create_task(server.serve())
        await server.wait_started()
        asked = asyncio.create_task(ask(server, "/wait"))
        await until(app.waiting)
        serving.cancel()
        await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert app.cancelled.is_set()
        await asyncio.gather(asked, return_exceptions=True)
        assert "by-lifespan" not in str(asked.exception() or asked.result())
        assert app.events == ["startup", "shutdown"]

    run(program())


@pytest.mark.parametrize("by", ["cancellation", "begin_stop"])
def test_a_startup_that_takes_too_long_can_be_stopped(run: Run, by: str) -> None:
    async def program() -> None:
        ended = asyncio.Event()
        begun = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        server = Server(app)
        serving = asyncio.create_task(server.serve())
        await begun.wait()
        if by == "begin_stop":
            server.begin_stop(0)
            await serving
        else:
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
        assert ended.is_set()
        assert not server.running

    run(program())


def test_a_stop_during_the_startup_has_it_finish_first(run: Run) -> None:
    async def program() -> None:
        begun, go = asyncio.Event(), asyncio.Event()
        inner = Asgi()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            begun.set()
            await go.wait()
            await inner(scope, receive, send)

        server = Server(app)
        serving = asyncio.create_task(server.serve())
        await begun.wait()
        server.begin_stop()
        go.set()
        await serving
        assert inner.events == ["startup", "shutdown"]

    run(program())


def test_the_limit_of_requests_of_a_config_ends_serve(run: Run) -> None:
    async def program() -> None:
        app = Asgi()
        server = Server(Config(app, port=0, access_log=False, limit_max_requests=1))
        serving = asyncio.create_task(server.serve())
        await server.wait_started()
        assert await ask(server) == "asgi GET /a by-lifespan"
        await serving
        assert app.events == ["startup", "shutdown"]

    run(program())


# Whole programs

APP = """
import sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            print(event["type"], file=sys.stderr)
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""

PROGRAM = """
import asyncio, sys
from oxbridge import Config, Server

async def main():
    await Server(Config("embedded:app", port=0)).serve(ARGUMENTS)
    print("returned", file=sys.stderr)

FACTORY
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""

FACTORIES = {
    "asyncio": "factory = None",
    "reactor": "from oxbridge.eventloop import new_event_loop as factory",
    "uvloop": "from uvloop import new_event_loop as factory",
}


@pytest.fixture(params=LOOPS)
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Served]]:
    """Start a program that serves an application by `serve` with some arguments."""
    started: list[Served] = []

    def start(arguments: str) -> Served:
        (tmp_path / "embedded.py").write_text(APP)
        text = PROGRAM.replace("ARGUMENTS", arguments)
        (tmp_path / "program.py").write_text(text.replace("FACTORY", FACTORIES[request.param]))
        started.append(Served(python_command(Path("program.py")), cwd=tmp_path))
        return started[-1]

    yield start
    for served in started:
        served.kill()


def test_ctrl_c_ends_a_program_as_it_ends_any_of_asyncio(
    embedded: Callable[[str], Served],
) -> None:
    served = embedded("")
    assert served.stop(signal.SIGINT) != 0
    assert "lifespan.shutdown" in served.stderr
    assert "returned" not in served.stderr
    assert served.stderr.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_the_server_handles_have_serve_return(
    embedded: Callable[[str], Served], by: signal.Signals
) -> None:
    served = embedded("handle_signals=True")
    assert served.stop(by) == 0
    assert "lifespan.shutdown" in served.stderr
    assert "returned" in served.stderr


def test_handlers_of_signals_are_put_back(run: Run) -> None:
    async def program() -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        server = Server(Asgi())
        serving = asyncio.create_task(server.serve(handle_signals=True))
        await server.wait_started()
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
        assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before

    run(program())
