"""The Django and the FastAPI site inside Rust programs, built and started as their READMEs say.

`make test` runs this file when the programs have been built.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cargo_example import cargo_example
from serving import ROOT, Serve, Served
from wire import Wire

# The first test may have to build them.
pytestmark = [pytest.mark.needs("libpython"), pytest.mark.timeout(900)]

BOUND = 20.0
# The packages of this interpreter are the site's.
VENV = {"VIRTUAL_ENV": sys.prefix}


@pytest.fixture
def shop(serve: Serve) -> Served:
    """The Django site."""
    pytest.importorskip("django")
    return serve(cargo_example("embed_django"), env=VENV)


@pytest.fixture
def client(shop: Served) -> Iterator[httpx.Client]:
    """A browser of its own: it keeps cookies."""
    with httpx.Client(base_url=shop.url, timeout=BOUND) as client:
        yield client


@pytest.fixture
def notes(serve: Serve) -> Served:
    """The FastAPI application."""
    pytest.importorskip("fastapi")
    return serve(cargo_example("embed_fastapi"), env=VENV)


def by_django(answer: httpx.Response) -> bool:
    """Whether Django's middleware has seen the answer."""
    return answer.headers.get("X-Frame-Options") == "DENY"


# Django


def test_routes_that_have_moved_are_answered_by_rust(client: httpx.Client) -> None:
    answer = client.get("/api/prices/1")
    assert (answer.status_code, answer.json()) == (200, {"name": "Tea", "cents": 350})
    assert answer.headers["Content-Type"] == "application/json"
    assert client.get("/api/prices/2").json()["name"] == "Café crème"
    for number in ("9", "+1", "x", "%3Cb%3E"):
        answer = client.get(f"/api/prices/{number}")
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("there is no product ")
        assert not by_django(answer)
    assert client.post("/api/prices/1").status_code == 405
    assert client.get("/healthz").text == "ok\n"


def test_everything_else_is_answered_by_django(client: httpx.Client) -> None:
    page = client.get("/")
    assert (page.status_code, by_django(page)) == (200, True)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert 'href="/products/2/">Café crème</a> 4.20' in page.text
    # The template escapes, and the program says who the client is.
    assert "Scones &lt;two&gt;" in page.text
    assert "You ask from 127.0.0.1." in page.text
    # It has not moved.
    answer = client.get("/api/stock/2")
    assert (answer.json(), by_django(answer)) == ({"id": 2, "stock": 7}, True)
    for nothing in ("/nowhere", "/products/9/", "/api/stock/9", "/api/prices/1/2", "/healthz/"):
        answer = client.get(nothing)
        assert (answer.status_code, by_django(answer)) == (404, True), nothing
    # Django's own redirect, and its own judgement of the host.
    assert client.get("/basket").headers["Location"] == "/basket/"
    assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400


def test_a_form_of_django_with_its_token_fills_a_basket(client: httpx.Client) -> None:
    assert "nothing yet" in client.get("/basket/").text

    page = client.get("/products/1/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token is not None
    assert client.cookies["csrftoken"]
    fields = {"csrfmiddlewaretoken": token[1], "count": "3"}

    assert client.post("/products/1/", data={"count": "3"}).status_code == 403
    # The token alone, without the cookie that goes with it.
    assert httpx.post(client.base_url.join("/products/1/"), data=fields).status_code == 403
    wrong = client.post("/products/1/", data={**fields, "count": "0"})
    assert wrong.status_code == 200
    assert "greater than or equal to 1" in wrong.text
    assert "nothing yet" in client.get("/basket/").text

    sent = client.post("/products/1/", data=fields)
    assert (sent.status_code, sent.headers["Location"]) == (302, "/basket/")
    basket = client.get("/basket/").text
    assert "3 of Tea" in basket
    assert "Together: 10.50" in basket
    # Somebody else's is empty.
    assert "nothing yet" in httpx.get(client.base_url.join("/basket/")).text


def test_the_django_program_ends_although_a_client_stays(shop: Served) -> None:
    with httpx.Client(base_url=shop.url) as idle, Wire(shop.url) as slow:
        assert idle.get("/").status_code == 200
        slow.send(b"POST /products/1/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nhalf")
        assert idle.get("/healthz").text == "ok\n"
        assert shop.stop() == 0
    assert shop.stderr.splitlines()[-1] == "Stopped"


# FastAPI


def test_the_routes_of_rust_are_beside_the_application(notes: Served) -> None:
    with httpx.Client(base_url=notes.url) as client:
        assert client.get("/hello/w%C3%B6rld").text == "Hello, wörld, from Rust.\n"
        answer = client.get("/")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/api/docs")
        # These are only below the prefix.
        for path in ("/notes/1", "/openapi.json", "/apinotes/1"):
            assert client.get(path).status_code == 404
        assert client.get("/api/hello/world").json() == {"detail": "Not Found"}


def test_the_api_checks_keeps_and_knows_where_it_is(notes: Served) -> None:
    with httpx.Client(base_url=f"{notes.url}/api") as client:
        assert client.get("/notes/1").json() == {"text": "a note that was there"}
        made = client.post("/notes", json={"text": "Grüße"})
        assert (made.status_code, made.json()) == (201, {"url": f"{notes.url}/api/notes/2"})
        assert httpx.get(made.json()["url"]).json() == {"text": "Grüße"}
        missing = client.get("/notes/3")
        assert (missing.status_code, missing.json()["detail"]) == (404, "there is no note 3")
        wrong = client.post("/notes", json={"text": ""})
        assert wrong.status_code == 422
        assert wrong.json()["detail"][0]["loc"] == ["body", "text"]


def test_its_own_documentation_works_below_the_prefix(notes: Served) -> None:
    page = httpx.get(f"{notes.url}/api/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    described = re.search(r"url: '([^']+)'", page.text)
    assert described is not None
    assert described[1] == "/api/openapi.json"
    described_by = httpx.get(f"{notes.url}{described[1]}").json()
    assert described_by["info"]["title"] == "Notes"
    assert described_by["servers"] == [{"url": "/api"}]
    assert set(described_by["paths"]) == {"/notes/{number}", "/notes", "/ticks"}


def test_a_stream_comes_as_it_is_made_until_its_listener_leaves(notes: Served) -> None:
    # It has no end: whoever waited for the whole of it would wait for ever.
    with httpx.stream("GET", f"{notes.url}/api/ticks", timeout=BOUND) as stream:
        lines = stream.iter_lines()
        assert [next(lines) for _ in range(3)] == ["tick 1", "tick 2", "tick 3"]
        assert "A listener has gone" not in notes.stderr
    notes.wait_for_line("^A listener has gone$")


def echo(notes: Served) -> str:
    return f"{notes.url.replace('http', 'ws')}/api/echo"


def test_a_websocket_echoes(notes: Served) -> None:
    with connect(echo(notes)) as socket:
        for text in ("hello", "Grüße", "x" * 100_000):
            socket.send(text)
            assert socket.recv(timeout=BOUND) == text


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_application_before_the_program(
    notes: Served, by: signal.Signals
) -> None:
    with httpx.Client(base_url=notes.url) as idle, connect(echo(notes)) as socket:
        assert idle.post("/api/notes", json={"text": "one more"}).status_code == 201
        socket.send("hello")
        assert socket.recv(timeout=BOUND) == "hello"
        assert notes.stop(by) == 0
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=BOUND)
    assert notes.stderr.splitlines() == [
        "The API has started",
        f"Serving on {notes.url}",
        "The API has ended, with 2 notes",
        "Stopped",
    ]


def test_the_fastapi_program_ends_although_a_client_stays(notes: Served) -> None:
    with Wire(notes.url) as slow:
        slow.send(b"GET /api/notes/1 HTT")
        # A connection that came later has been served, so the slow one has been accepted.
        assert httpx.get(f"{notes.url}/hello/you").status_code == 200
        assert notes.stop() == 0
    # Whether something was said about the connection depends on how far the program had read.
    lines = [line for line in notes.stderr.splitlines() if line != "a connection was still open"]
    assert lines[-2:] == ["The API has ended, with 1 notes", "Stopped"]


# What does not start


def ends_with(example: str, site: Path, **settings: str) -> str:
    """What a program that cannot start says to standard error."""
    done = subprocess.run(
        [cargo_example(example)],
        env={**os.environ, **VENV, "HOST": "127.0.0.1", "PORT": "0", "SITE": str(site), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    assert re.fullmatch(
        r"cannot read \S+/products\.json: No such file .*\n", ends_with("embed_django", tmp_path)
    )
    assert ends_with("embed_fastapi", tmp_path) == "there is no module api in sys.path\n"
    (tmp_path / "products.json").write_text('{"1": {"name": "Tea"}}')
    assert "products.json: missing field `cents` at line 1" in ends_with("embed_django", tmp_path)
    (tmp_path / "api.py").write_text("def f():\n    return 1 / 0\n\n\nf()\n")
    said = ends_with("embed_fastapi", tmp_path)
    assert said.startswith("api could not be loaded: its own code raised ZeroDivisionError")
    assert 'api.py", line 2, in f' in said


def test_an_address_that_is_none_is_named() -> None:
    pytest.importorskip("fastapi")
    site = ROOT / "examples" / "embed_fastapi"
    said = ends_with("embed_fastapi", site, PORT="seven")
    assert said.splitlines()[:2] == [
        "The API has started",
        "The API has ended, with 1 notes",
    ]
    assert "cannot listen on 127.0.0.1:seven: " in said
