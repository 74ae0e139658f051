"""The same server in every language: one client cannot tell them apart."""

from __future__ import annotations

import concurrent.futures
import json
import re
import signal

import httpx
import pytest
from language_sections import LANGUAGES, README, StartLanguage

from serving import Served
from wire import Wire

# The first test of a language builds it, and the first of all builds the library.
pytestmark = pytest.mark.timeout(1500)

PLAIN = "text/plain; charset=utf-8"

# What a client sends as the wildcard of /hello/{name}, and what the handler is to see.
NAMES = {
    "world": "world",
    "J%C3%BCrgen": "J\u00fcrgen",
    "%F0%9F%90%8D": "\U0001f40d",
    "a%2Fb": "a/b",
    "a%20b+c": "a b+c",
    "%00": "\0",
    "%25": "%",
}

VALUES = (
    {"text": "J\u00fcrgen \U0001f40d", "list": [1, -2, 3.5, [], {}, [[None]]], "yes": True},
    [{"a": {"b": {"c": ["d", {"e": None}]}}}],
    {"": '\0 " \\ \n'},
    "only text",
    5,
    None,
)

NO_JSON = (b"", b"{", b"[1,]", b"hello", b'{"a": 1} x', b"\xff", b"[" * 100_000 + b"]" * 100_000)


def test_every_program_is_tested_here() -> None:
    sections = re.findall(r"^## (.+)$", README.read_text("utf-8"), flags=re.MULTILINE)
    assert sections == [language.section for language in LANGUAGES]
    places = {path.name for path in README.parent.iterdir() if path.is_dir()}
    named = " ".join(command for language in LANGUAGES for command in language.commands)
    assert places == {place for place in places if f"examples/capi/{place}" in named}


def test_hello(start: StartLanguage) -> None:
    answer = httpx.get(f"{start().url}/")
    assert (answer.status_code, answer.text) == (200, "Hello, world.\n")
    assert answer.headers["Content-Type"] == PLAIN


def test_path_values(start: StartLanguage) -> None:
    with httpx.Client(base_url=start().url) as client:
        for sent, seen in NAMES.items():
            answer = client.get(f"/hello/{sent}")
            assert (answer.status_code, answer.text) == (200, f"Hello, {seen}!\n"), sent
        # No text at all: what the program makes of it is its own affair, but it makes something.
        assert client.get("/hello/%FF").status_code == 200


def test_json(start: StartLanguage) -> None:
    with httpx.Client(base_url=start().url) as client:
        for value in VALUES:
            answer = client.post("/echo", content=json.dumps(value, ensure_ascii=False))
            assert answer.status_code == 200, answer.text
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.json() == value
        large = [{"number": number, "text": "x" * 100} for number in range(2000)]
        assert client.post("/echo", json=large).json() == large


def test_what_is_no_json(start: StartLanguage) -> None:
    with httpx.Client(base_url=start().url) as client:
        for body in NO_JSON:
            answer = client.post("/echo", content=body)
            assert answer.status_code == 400, body[:20]
            assert answer.headers["Content-Type"] == PLAIN
            assert answer.text.startswith("The body is no")
            assert answer.text.endswith(".\n")
        assert client.post("/echo", content=b"[1]").json() == [1]


def test_a_body_in_pieces(start: StartLanguage) -> None:
    with Wire(start().url) as wire:
        wire.head("POST", "/echo", {"Content-Length": 10})
        wire.send("[1, 2")
        # Another client is served while this one's body is on its way.
        assert httpx.get(f"http://127.0.0.1:{wire.socket.getpeername()[1]}/").status_code == 200
        wire.send(", 34]"[:5])
        assert json.loads(wire.answer().read()) == [1, 2, 34]


def test_nothing_there(start: StartLanguage) -> None:
    with httpx.Client(base_url=start().url) as client:
        assert client.get("/nothing").status_code == 404
        assert client.get("/hello/").status_code == 404
        refused = client.delete("/echo")
        assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


def test_head(start: StartLanguage) -> None:
    answer = httpx.head(f"{start().url}/hello/world")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == PLAIN


def test_answered_later(start: StartLanguage) -> None:
    server = start()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(httpx.get, f"{server.url}/later", timeout=60) for _ in range(3)]
        with httpx.Client(base_url=server.url) as client:
            released = 0
            # A request of ours may still be on its way when we first ask.
            while released < len(waiting):
                answer = client.get("/release")
                told = re.fullmatch(r"(\d+) released\n", answer.text)
                assert told is not None, answer.text
                released += int(told[1])
            assert released == len(waiting)
        for answered in waiting:
            answer = answered.result()
            assert (answer.status_code, answer.text) == (200, "Here it is, later.\n")
            assert answer.headers["Content-Type"] == PLAIN


def test_one_client_after_the_other(start: StartLanguage) -> None:
    with httpx.Client(base_url=start().url) as client:
        for number in range(200):
            assert client.get(f"/hello/{number}").text == f"Hello, {number}!\n"


def test_many_clients_at_the_same_time(start: StartLanguage) -> None:
    url = start().url

    def ask(number: int) -> None:
        with Wire(url) as wire:
            wire.head("GET", f"/hello/{number}")
            assert wire.answer().read() == f"Hello, {number}!\n".encode()
            body = json.dumps([number])
            wire.head("POST", "/echo", {"Content-Length": len(body)})
            wire.send(body)
            assert json.loads(wire.answer().read()) == [number]
            wire.head("GET", "/")
            assert wire.answer().status == 200

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        list(pool.map(ask, range(50)))


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=lambda by: by.name)
def test_stop(start: StartLanguage, by: signal.Signals) -> None:
    server = start()
    assert httpx.get(f"{server.url}/").status_code == 200
    assert server.stop(by, timeout=10) == 0
    assert_silent(server)


def test_stop_answers_what_waits(start: StartLanguage) -> None:
    server = start()
    with Wire(server.url) as wire, httpx.Client(base_url=server.url) as client:
        wire.head("GET", "/later")
        # What came before these has been taken by the time they are answered.
        for _ in range(20):
            assert client.get("/").status_code == 200
        server.process.terminate()
        assert wire.answer().read() == b"Here it is, later.\n"
    assert server.wait(timeout=10) == 0
    assert_silent(server)


def test_stop_after_a_client_that_left(start: StartLanguage) -> None:
    server = start()
    with Wire(server.url) as wire:
        wire.head("GET", "/later")
    with Wire(server.url) as wire:
        wire.head("POST", "/echo", {"Content-Length": 10})
        wire.send("[1, 2")
    assert httpx.get(f"{server.url}/").status_code == 200
    assert server.stop(timeout=10) == 0
    assert_silent(server)


def assert_silent(server: Served) -> None:
    """One line says where it listens; there is nothing else to say."""
    assert server.stderr == f"Serving on {server.url}\n"
