"""The applications of examples/serve, served as their README says."""

from __future__ import annotations

import sys

import httpx
import pytest
from websockets.sync.client import connect

from serving import ROOT, Serve, Served

HERE = ROOT / "examples" / "serve"
BOUND = 20.0


def started(serve: Serve, *words: str) -> Served:
    """Run the README's command, on a free port."""
    command = [sys.executable, "-m", "oxbridge", "serve", *words, "--port", "0"]
    return serve(*command, "--no-access-log", cwd=HERE)


def test_flask(serve: Serve) -> None:
    pytest.importorskip("flask")
    served = started(serve, "flask_app:app")
    served.wait_for_line(r"Serving flask_app:app \(WSGI\) on ")
    assert httpx.get(served.url).text == "Hello from Flask.\n"
    assert httpx.get(f"{served.url}/count").text == "0\n1\n2\n"
    sent = httpx.post(f"{served.url}/upload", content=b"x" * 200_000)
    assert sent.json() == {"bytes": 200_000}
    assert served.stop() == 0


def test_fastapi(serve: Serve) -> None:
    pytest.importorskip("fastapi")
    served = started(serve, "fastapi_app:app")
    served.wait_for_line(r"Serving fastapi_app:app \(ASGI\) on ")
    assert httpx.get(served.url).json() == {"message": "Hello from FastAPI."}
    assert httpx.get(f"{served.url}/items/7").json() == {"number": 7}
    assert httpx.get(f"{served.url}/items/x").status_code == 422
    with connect(served.url.replace("http", "ws") + "/echo") as socket:
        socket.send("hello")
        assert socket.recv(timeout=BOUND) == "hello"
    assert served.stop() == 0


def test_django(serve: Serve) -> None:
    pytest.importorskip("django")
    served = started(serve, "django_app")
    served.wait_for_line(r"Serving django_app:application \(WSGI\) on ")
    assert httpx.get(served.url).text == "Hello from Django.\n"
    forwarded = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    told = httpx.get(f"{served.url}/client", headers=forwarded).json()
    assert told == {"address": "203.0.113.7", "secure": True}
    assert served.stop() == 0


def test_the_file_of_options(serve: Serve) -> None:
    pytest.importorskip("flask")
    served = started(serve, "flask_app:app", "--config", "oxbridge.toml")
    served.wait_for_line(r"on \S+ \(2 workers, ")
    answer = httpx.get(served.url)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert served.stop() == 0
