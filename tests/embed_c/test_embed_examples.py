"""The servers of examples/embed_c and examples/embed_go, built by the commands of their READMEs."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from embedding import settings

import programs
from cbuild import Prefix
from serving import ROOT, Serve, Served

# The first test of all builds the libraries.
pytestmark = [
    pytest.mark.timeout(1500),
    pytest.mark.needs("libpython", "gcc", "pkg-config"),
]

SLEEP = 0.4


def commands(example: str) -> list[str]:
    """The README's commands, but for those that install the libraries."""
    readme = (ROOT / "examples" / example / "README.md").read_text("utf-8")
    block = re.search(r"^```sh$\n(.*?)^```$", readme, flags=re.DOTALL | re.MULTILINE)
    assert block is not None
    lines = block[1].splitlines()
    assert lines[0].startswith("make install")
    assert lines[1].startswith("export")
    return lines[2:]


@pytest.fixture(scope="module")
def build() -> Callable[[str, list[Prefix]], tuple[str, dict[str, str]]]:
    """Build an example once; give the command that starts it, and its environment."""
    built: dict[str, tuple[str, dict[str, str]]] = {}

    def build_(example: str, prefixes: list[Prefix]) -> tuple[str, dict[str, str]]:
        if example not in built:
            tools = [Path(path).parent for path in map(programs.find, ("go", "gcc")) if path]
            places = [str(prefix.lib) for prefix in prefixes]
            variables = {
                **settings(),
                "PATH": os.pathsep.join([*map(str, tools), os.environ.get("PATH", os.defpath)]),
                "PKG_CONFIG_PATH": os.pathsep.join(f"{place}/pkgconfig" for place in places),
                "LD_LIBRARY_PATH": os.pathsep.join(places),
                "WORKERS": str(ROOT / "examples" / "embed"),
            }
            *steps, start = commands(example)
            (ROOT / "target").mkdir(exist_ok=True)
            for step in steps:
                done = subprocess.run(
                    ["sh", "-ec", step],
                    cwd=ROOT,
                    env=variables,
                    capture_output=True,
                    text=True,
                    timeout=300,
                    check=False,
                )
                assert (done.returncode, done.stderr) == (0, ""), f"{step}\n{done.stderr}"
            built[example] = start, variables
        return built[example]

    return build_


@pytest.fixture(
    params=[
        pytest.param("embed_c"),
        pytest.param("embed_go", marks=pytest.mark.needs("go")),
    ]
)
def example(
    request: pytest.FixtureRequest,
    serve: Serve,
    embed_prefix: Prefix,
    build: Callable[[str, list[Prefix]], tuple[str, dict[str, str]]],
) -> Served:
    """One example after the other, running."""
    prefixes = [embed_prefix]
    if request.param == "embed_c":
        prefixes.append(request.getfixturevalue("c_prefix"))
    command, variables = build(request.param, prefixes)
    return serve(command, env=variables, cwd=ROOT)


def native(served: Served) -> str:
    """Path of what the program answers itself."""
    return "/golang" if "embed_go" in str(served.process.args) else "/native"


def test_both_sides_answer(example: Served) -> None:
    with httpx.Client(base_url=example.url) as client:
        for count in range(1, 4):
            answer = client.post("/python", content=b"\0\xff", params={"q": "1"})
            assert (answer.status_code, answer.text) == (200, f"request #{count}")
            assert answer.headers["X-Test"] == "1"
        answer = client.get(native(example))
        assert (answer.status_code, answer.text) == (200, "ok")


def test_the_workers_routes_are_there(example: Served) -> None:
    with httpx.Client(base_url=example.url) as client:
        assert client.get("/").text == "request #1"
        assert client.get("/ping").text == "request #2"
        assert client.post("/hello/world").text == "request #3"
        assert client.post("/ping").status_code == 405
        assert client.get("/nowhere").status_code == 404


def test_a_sleep_is_honoured_and_stops_nobody_else(example: Served) -> None:
    with httpx.Client(base_url=example.url, timeout=30) as client:

        def ask(path: str) -> float:
            began = time.monotonic()
            assert client.get(path, headers={"X-Sleep": str(SLEEP)}).status_code == 200
            return time.monotonic() - began

        for path in ("/python", native(example)):
            began = time.monotonic()
            with ThreadPoolExecutor(10) as clients:
                times = list(clients.map(ask, [path] * 20))
            assert min(times) >= SLEEP
            # One after the other it would be eight seconds, and more.
            assert time.monotonic() - began < 19 * SLEEP


def test_an_exception_is_logged_and_ends_nothing(example: Served) -> None:
    with httpx.Client(base_url=example.url) as client:
        answer = client.get("/python", headers={"X-Sleep": "long"})
        assert answer.status_code == 500
        assert "float" not in answer.text
        assert client.get("/python").text == "request #2"
    example.wait_for_line("ValueError: could not convert string to float: 'long'")
    example.wait_for_line("Traceback")


def test_it_stops_when_it_is_asked_to(example: Served) -> None:
    assert httpx.get(f"{example.url}/python").status_code == 200
    assert example.stop() == 0
