"""Coroutine handlers in a program of their own: alone on their loop's thread, or beside others.

Alone, their loop drives the server; with a plain handler beside them, the server has threads. What
clients see is the same. Also on the newest CPython, where tasks are stepped at once.
"""

from __future__ import annotations

import itertools
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app_server import PYTHON, PYTHONPATH
from serving import Serve, Served
from wire import Wire

APP = Path(__file__).with_name("coroutines_app.py")
DATA = bytes(range(256)) * 4096


@pytest.fixture(params=["alone", "plain"])
def served(serve: Serve, request: pytest.FixtureRequest) -> Served:
    env = {"PYTHONPATH": PYTHONPATH} if PYTHONPATH else None
    return serve(PYTHON, str(APP), request.param, env=env)


def get(served: Served, target: str) -> httpx.Response:
    return httpx.get(f"{served.url}{target}", timeout=30)


def test_each_handler_is_a_task_with_a_context_of_its_own(served: Served) -> None:
    with ThreadPoolExecutor(4) as pool:
        told = [r.json() for r in pool.map(get, itertools.repeat(served), ["/where"] * 8)]
    assert told == [["oxbridge-asyncio", True, "unset", "/where"]] * 8


def test_handlers_wait_side_by_side(served: Served) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = [r.text for r in pool.map(get, itertools.repeat(served), ["/meet"] * 2)]
    assert answers == ["met", "met"]


def test_inline_and_pipelined_requests_are_answered_in_order(served: Served) -> None:
    targets = ["/hello", "/ping", "/slow", "/hello"]
    with Wire(served.url) as wire:
        wire.send("".join(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n" for target in targets))
        bodies = [wire.answer().read() for _ in targets]
    assert bodies == [b"hello", b"pong", b"begun ended", b"hello"]


def test_a_body_is_echoed_as_it_comes(served: Served) -> None:
    with Wire(served.url) as wire:
        # Of an unknown length: it is not read ahead.
        wire.head("POST", "/pieces", {"Transfer-Encoding": "chunked"})
        wire.send(b"5\r\nfirst\r\n")
        answer = wire.answer("POST")
        assert answer.read(5) == b"first"
        wire.send(b"5\r\nlater\r\n0\r\n\r\n")
        assert answer.read() == b"later"
    answered = httpx.post(f"{served.url}/pieces", content=DATA, timeout=30)
    assert answered.content == DATA


@pytest.mark.parametrize("target", ["/wrong", "/wrong?later=1"])
def test_an_exception_is_500_and_in_the_log(served: Served, target: str) -> None:
    with httpx.Client(base_url=served.url, timeout=30) as client:
        assert client.get(target).status_code == 500
        assert client.get("/hello").text == "hello"
    served.wait_for_line("ValueError: on purpose")


def test_a_client_that_leaves_is_an_exception_for_the_writer(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.head("GET", "/endless")
        wire.answer().read(1)
    assert get(served, "/gone").text == "gone"


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_may_finish_when_the_program_ends(served: Served, by: signal.Signals) -> None:
    with Wire(served.url) as wire:
        wire.head("GET", "/slow")
        answer = wire.answer()
        assert answer.read(6) == b"begun "
        assert served.stop(by) == 0
        assert answer.read() == b"ended"
