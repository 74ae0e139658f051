"""Workers that are threads of one process; where Python has a global lock they are asked for."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from supervised import (
    Load,
    alive,
    connect,
    count,
    fails,
    get,
    send,
    start,
    until,
    workers,
    write_app,
)

from oxbridge.config import Config
from serving import Serve, Served

APP = """
    import asyncio, json, os, threading, time

    VERSION = "one"

    def note(what):
        with open("noted", "a") as noted:
            noted.write(f"{what} {threading.current_thread().name}\\n")

    def said(**more):
        here = {"pid": os.getpid(), "thread": threading.current_thread().name}
        return json.dumps({**here, **more}).encode()

    async def asgi(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            note("startup")
            scope["state"]["token"] = object()
            scope["state"]["seen"] = seen = []
            await send({"type": "lifespan.startup.complete"})
            await receive()
            note("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/hold":
            # Blocks this loop, so that another one has to take what comes next.
            note("held")
            open("fifo").close()
        if scope["path"] == "/block":
            threading.Event().wait()
        if scope["path"] == "/fail":
            asyncio.get_running_loop().stop()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/wait":
            await send({"type": "http.response.body", "body": b"begun\\n", "more_body": True})
            note("begun")
            while not os.path.exists("go on"):
                await asyncio.sleep(0.01)
            note("ended")
        token = id(scope["state"]["token"])
        await send({"type": "http.response.body", "body": said(token=token)})

    async def plain(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{os.getpid()} {VERSION}".encode()})

    class Rsgi:
        def __rsgi_init__(self, loop):
            note("startup")

        def __rsgi_del__(self, loop):
            note("shutdown")

        async def __rsgi__(self, scope, protocol):
            if scope.path == "/hold":
                note("held")
                open("fifo").close()
            protocol.response_bytes(200, [], said())

    rsgi = Rsgi()

    def wsgi(environ, start_response):
        start_response("200 OK", [])
        with open("/proc/thread-self/comm") as comm:
            native = [comm.read().strip(), threading.get_native_id()]
        return [said(native=native, multiprocess=environ["wsgi.multiprocess"])]

    async def refuses(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
"""
THREADS = {"workers": 2, "workers_as": "threads", "worker_timeout": None}
FIRST, SECOND = "MainThread", "oxbridge-loop-1"
NAME = "oxbridge-1"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_app(tmp_path, APP)
    return tmp_path


def noted(directory: Path) -> list[str]:
    """What the application has written down."""
    file = directory / "noted"
    return file.read_text().splitlines() if file.exists() else []


def told(url: str, path: str = "/") -> dict[str, Any]:
    """Ask, on a connection of its own."""
    answer: dict[str, Any] = json.loads(get(url, path))
    return answer


Pinned = dict[str, http.client.HTTPConnection]


@contextlib.contextmanager
def one_on_each(served: Served, directory: Path) -> Iterator[Pinned]:
    """Open a connection to each of two loops, by the names of their threads."""
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    held, other = connect(served.url), connect(served.url)
    with contextlib.closing(held), contextlib.closing(other):
        held.request("GET", "/hold")
        until(lambda: any(line.startswith("held") for line in noted(directory)), "it is held")
        # One loop is blocked, so the other one takes this.
        other.request("GET", "/")
        elsewhere = json.loads(other.getresponse().read())
        with open(fifo, "w"):
            here = json.loads(held.getresponse().read())
        assert noted(directory)[-1] == f"held {here['thread']}"
        assert {here["thread"], elsewhere["thread"]} == {FIRST, SECOND}
        assert here["pid"] == elsewhere["pid"]
        # What the start has left is the same for both.
        assert here.get("token") == elsewhere.get("token")
        yield {here["thread"]: held, elsewhere["thread"]: other}


def begin(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """Begin an answer that waits for the file "go on"."""
    connection.request("GET", "/wait")
    answer = connection.getresponse()
    assert answer.readline() == b"begun\n"
    return answer


@pytest.mark.parametrize("interface", ["asgi", "rsgi"])
def test_each_thread_has_a_loop_and_one_start_is_for_all(
    serve: Serve, directory: Path, interface: str
) -> None:
    served = start(serve, directory, app=f"app:{interface}", **THREADS)
    assert re.search(r" \(2 threads, ", served.stderr)
    assert not workers(served)
    with one_on_each(served, directory) as pinned:
        for connection in pinned.values():
            connection.request("GET", "/")
            assert json.loads(connection.getresponse().read())["pid"] == served.process.pid
    assert served.stop() == 0
    lifes = [line for line in noted(directory) if not line.startswith("held")]
    assert lifes == [f"startup {FIRST}", f"shutdown {FIRST}"]


def test_wsgi_has_a_reactor_for_each(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, app="app:wsgi", **THREADS)
    answers: list[dict[str, Any]] = []

    def ask_all() -> bool:
        """Ask on many connections at once, so that neither reactor takes them all."""
        connections = [connect(served.url) for _ in range(16)]
        for connection in connections:
            connection.request("GET", "/")
        for connection in connections:
            answers.append(json.loads(connection.getresponse().read()))
            connection.close()
        # Every reactor has a first thread of that name.
        first = {number for name, number in (each["native"] for each in answers) if name == NAME}
        return len(first) == 2

    until(ask_all, "both reactors have handled some")
    assert {answer["pid"] for answer in answers} == {served.process.pid}
    assert not any(answer["multiprocess"] for answer in answers)
    assert served.stop() == 0


@pytest.mark.parametrize("thread", [FIRST, SECOND])
def test_the_application_ends_after_the_last_request_of_any_loop(
    serve: Serve, directory: Path, thread: str
) -> None:
    served = start(serve, directory, app="app:asgi", **THREADS)
    with one_on_each(served, directory) as pinned:
        answer = begin(pinned[thread])
        send(served, signal.SIGTERM)
        until(lambda: refused(served), "nothing is accepted any more")
        (directory / "go on").touch()
        assert json.loads(answer.read())["thread"] == thread
        assert served.wait() == 0
    assert noted(directory)[-2:] == [f"ended {thread}", f"shutdown {FIRST}"]


def refused(served: Served) -> bool:
    """Whether nobody listens."""
    connection = connect(served.url)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # Just as the listener is closed: the next one is refused.
        return False
    finally:
        connection.close()
    return False


@pytest.mark.parametrize("thread", [FIRST, SECOND])
def test_a_second_ctrl_c_cuts_all_loops(serve: Serve, directory: Path, thread: str) -> None:
    served = start(serve, directory, app="app:asgi", **THREADS)
    with one_on_each(served, directory) as pinned:
        answer = begin(pinned[thread])
        send(served, signal.SIGINT)
        until(lambda: refused(served), "nothing is accepted any more")
        send(served, signal.SIGINT)
        assert served.wait() == 0
        with pytest.raises((http.client.HTTPException, OSError)):
            answer.read()
    assert noted(directory)[-1] == f"shutdown {FIRST}"


def test_a_loop_that_fails_ends_the_server(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, app="app:asgi", **THREADS)
    with one_on_each(served, directory) as pinned:
        pinned[SECOND].request("GET", "/fail")
        assert served.wait() == 1
    assert "Event loop stopped before Future completed" in served.stderr
    assert noted(directory)[-1] == f"shutdown {FIRST}"


def test_an_application_that_refuses_is_not_served_at_all(directory: Path) -> None:
    written = fails(directory, code=3, app="app:refuses", **THREADS)
    assert "no database" in written


def test_a_supervisor_has_one_process_of_threads(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, app="app:plain", **{**THREADS, "worker_timeout": 60})
    (old,) = workers(served)
    with Load(served.url) as load:
        send(served, signal.SIGHUP)
        until(lambda: workers(served) and old not in workers(served), "there is a new process")
        load.goes_on()
    assert not load.failures
    assert len(workers(served)) == 1
    assert {answer.split()[0] for answer in load.seen} == {str(old), *map(str, workers(served))}
    assert served.stop() == 0


def test_enough_requests_of_one_thread_replace_the_process(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, app="app:plain", limit_max_requests=50, **THREADS)
    (old,) = workers(served)
    with Load(served.url) as load:
        until(lambda: workers(served) and old not in workers(served), "there is a new process")
        load.goes_on()
    assert not load.failures
    assert served.stop() == 0


@pytest.mark.parametrize("thread", [FIRST, SECOND])
def test_one_loop_that_hangs_is_enough_to_replace_the_process(
    serve: Serve, directory: Path, thread: str
) -> None:
    settings = {**THREADS, "worker_timeout": 60, "timeout_worker_healthcheck": 2}
    served = start(serve, directory, app="app:asgi", **settings)
    (old,) = workers(served)
    with one_on_each(served, directory) as pinned:
        pinned[thread].request("GET", "/block")
        until(lambda: count(served, "no sign of life"), "it is found")
        until(lambda: not alive(old), "it has ended")
        assert told(served.url)["pid"] != old
    assert served.stop() == 0


@pytest.mark.parametrize("worker_timeout", [None, 60])
def test_all_threads_are_counted_once(
    serve: Serve, directory: Path, worker_timeout: int | None
) -> None:
    settings = {**THREADS, "worker_timeout": worker_timeout, "metrics_bind": "127.0.0.1:0"}
    served = start(serve, directory, app="app:asgi", **settings)
    metrics = served.wait_for_line(r"Metrics and health are on (\S+)")[1]

    def values(name: str) -> float:
        families = text_string_to_metric_families(get(metrics, "/metrics"))
        samples = [sample for each in families for sample in each.samples]
        return sum(sample.value for sample in samples if sample.name == name)

    with one_on_each(served, directory):
        until(lambda: values("oxbridge_http_requests_total") == 2, "one of each loop is counted")
        assert values("oxbridge_connections_open") == 2
    assert served.stop() == 0


def test_the_access_log_of_every_loop_goes_on_in_a_new_file(serve: Serve, directory: Path) -> None:
    log = directory / "access.log"
    settings = {**THREADS, "access_log": True, "access_log_file": str(log)}
    served = start(serve, directory, app="app:asgi", **settings)
    log.rename(directory / "old.log")
    send(served, signal.SIGUSR1)
    until(log.exists, "there is a new file")
    with one_on_each(served, directory):
        until(lambda: len(log.read_text().splitlines()) == 2, "both loops have written to it")
    assert served.stop() == 0
    assert (directory / "old.log").read_text() == ""


# The option


def test_threads_need_no_supervisor() -> None:
    threads = Config("app:app", workers=4, workers_as="threads")
    assert (threads.in_threads, threads.processes, threads.needs_supervisor) == (True, 1, False)
    processes = Config("app:app", workers=4, workers_as="processes")
    assert (processes.in_threads, processes.processes) == (False, 4)
    assert processes.needs_supervisor
    alone = Config("app:app", workers_as="threads")
    assert (alone.in_threads, alone.processes) == (False, 1)


@pytest.mark.parametrize("has_lock", [True, False])
def test_auto_is_what_the_interpreter_is_good_at(
    monkeypatch: pytest.MonkeyPatch, has_lock: bool
) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: has_lock, raising=False)
    config = Config("app:app", workers=3)
    assert config.in_threads is not has_lock
    # A module of the application's that switches the lock on does not change what was decided.
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True)
    assert config.in_threads is not has_lock
    assert Config.from_json(config.to_json()).in_threads is not has_lock
