"""The pytest plugin, in test runs of its own, found as an installed package is found."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from serving import ROOT

TESTS = """
import pytest
from oxbridge.pytest_plugin import OxbridgeServer
from oxbridge.testing import serve

events = []
urls = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            events.append(event["type"])
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})

def other(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]

def test_any_number(oxbridge_server: OxbridgeServer):
    first, second = oxbridge_server(app), oxbridge_server(other, threads=1)
    assert [first.get("/").text, second.get("/").text] == ["asgi", "wsgi"]
    assert events == ["lifespan.startup"]
    urls.extend([first, second])

def test_they_have_stopped():
    assert events == ["lifespan.startup", "lifespan.shutdown"]
    for client in urls:
        assert not client.server.running

def test_a_failure_is_the_tests(oxbridge_server):
    oxbridge_server(5)
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder for the path with the entry points of this package, as an installer writes them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        points = tomllib.load(file)["project"]["entry-points"]
    folder = tmp_path / "site"
    info = folder / "oxbridge_plugin_test-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: oxbridge-plugin-test\nVersion: 1\n"
    )
    lines = [
        line
        for group, names in points.items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in names.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def pytest_in(tmp_path: Path, installed: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(installed), str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_fixture_serves_until_the_end_of_the_test(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    said = pytest_in(tmp_path, installed)
    assert "1 failed, 2 passed" in said, said
    assert "FAILED test_it.py::test_a_failure_is_the_tests - TypeError" in said


def test_the_fixture_is_described(tmp_path: Path, installed: Path) -> None:
    said = pytest_in(tmp_path, installed, "--fixtures")
    assert "oxbridge_server" in said
    assert "Serve applications, each on a free port" in said
