"""Options of the command, each seen by a client of the server that it makes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from end_to_end import line, refusal, write_project
from supervised import BOUND

from serving import Serve
from wire import Wire


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_project(tmp_path)
    return tmp_path


@dataclass
class Case:
    """Options, what is asked of the server, and what must come back."""

    options: list[str]
    path: str = "/"
    sends: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    env: dict[str, str] = field(default_factory=dict)
    app: str = "main:app"
    status: int = 200
    headers: dict[str, str | None] = field(default_factory=dict)
    """Headers of the answer; None is one that must not be there."""
    told: dict[str, str | None] = field(default_factory=dict)
    """What the application must have been told."""
    text: str | None = None


FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
CASES = {
    "header": Case(["--header", "X-A: 1", "--header", "X-B: 2"], headers={"x-a": "1", "x-b": "2"}),
    "server_header": Case([], headers={"server": "oxbridge"}),
    "no_server_header": Case(["--no-server-header"], headers={"server": None}),
    "no_date_header": Case(["--no-date-header"], headers={"date": None}),
    "root_path": Case(
        ["--root-path", "/api"], "/api/x", told={"SCRIPT_NAME": "/api", "PATH_INFO": "/x"}
    ),
    "forwarded": Case(
        [], sends=FORWARDED, told={"REMOTE_ADDR": "203.0.113.7", "wsgi.url_scheme": "https"}
    ),
    "forwarded_from_strangers": Case(
        ["--forwarded-allow-ips", "10.0.0.0/8"],
        sends=FORWARDED,
        told={"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http"},
    ),
    "forwarded_by_environment": Case(
        [],
        sends=FORWARDED,
        env={"FORWARDED_ALLOW_IPS": "192.0.2.1"},
        told={"REMOTE_ADDR": "127.0.0.1"},
    ),
    "no_proxy_headers": Case(
        ["--no-proxy-headers", "--forwarded-allow-ips", "*"],
        sends=FORWARDED,
        told={"REMOTE_ADDR": "127.0.0.1"},
    ),
    "compression": Case(
        ["--compression", "gzip"],
        sends={"Accept-Encoding": "br, gzip"},
        headers={"content-encoding": "gzip", "vary": "accept-encoding"},
    ),
    "compression_min_size": Case(
        ["--compression", "on", "--compression-min-size", "1M"],
        sends={"Accept-Encoding": "gzip"},
        headers={"content-encoding": None},
    ),
    "no_compression": Case(
        [], sends={"Accept-Encoding": "gzip"}, headers={"content-encoding": None}
    ),
    "static": Case(["--static", "/s=files"], "/s/hello.txt", text="a file\n"),
    "static_else": Case(["--static", "/s=files"], "/other", told={"PATH_INFO": "/other"}),
    "env_file": Case(
        ["--env-file", "test.env"], told={"from_file": "a value"}, headers={"x-env": "yes"}
    ),
    "toml": Case(
        ["--config", "oxbridge.toml"],
        "/toml/x",
        headers={"x-toml": "yes"},
        told={"SCRIPT_NAME": "/toml"},
    ),
    "toml_yields": Case(
        ["--config", "oxbridge.toml", "--root-path", "/line"],
        "/line/x",
        told={"SCRIPT_NAME": "/line"},
    ),
    "environment": Case([], env={"OXBRIDGE_ROOT_PATH": "/e"}, told={"SCRIPT_NAME": "/e"}),
    "uvicorns_environment": Case([], env={"UVICORN_ROOT_PATH": "/u"}, told={"SCRIPT_NAME": "/u"}),
    "app_dir": Case(["--app-dir", "deep"], app="other:app", told={"PATH_INFO": "/"}),
    "factory": Case(["--factory"], app="main:make", told={"PATH_INFO": "/"}),
    "max_body": Case(["--max-body", "10"], content=b"x" * 11, status=413),
    "max_body_fits": Case(["--max-body", "10"], content=b"x" * 10),
    "max_headers": Case(
        ["--max-headers", "8"], sends={f"X-{number}": "" for number in range(8)}, status=431
    ),
    "max_header_bytes": Case(["--max-header-bytes", "8192"], sends={"X": "x" * 9000}, status=431),
}


@pytest.mark.parametrize("name", CASES)
def test_one_process(serve: Serve, directory: Path, name: str) -> None:
    check(serve, directory, CASES[name])


@pytest.mark.parametrize("name", ["toml", "static"])
def test_workers(serve: Serve, directory: Path, name: str) -> None:
    case = CASES[name]
    check(serve, directory, Case(**{**vars(case), "options": [*case.options, "--workers", "2"]}))


def check(serve: Serve, directory: Path, case: Case) -> None:
    """Start, ask, compare."""
    served = serve(*line(*case.options, app=case.app), cwd=directory, env=case.env)
    answer = httpx.request(
        "GET" if case.content is None else "POST",
        served.url + case.path,
        headers=case.sends,
        content=case.content,
    )
    assert answer.status_code == case.status, answer.text
    for header, value in case.headers.items():
        assert (answer.headers.get(header) or "").lower() == (value or ""), header
    if case.text is not None:
        assert answer.text == case.text
    if case.told:
        told = answer.json()
        assert {name: told[name] for name in case.told} == case.told
    assert served.stop() == 0


# Where it listens


@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
@pytest.mark.parametrize(
    ("options", "mode"),
    [([], 0o666), (["--uds-mode", "600"], 0o600), (["--uds-mode", "none"], 0o640)],
)
def test_a_unix_socket(
    serve: Serve, directory: Path, options: list[str], mode: int, more: list[str]
) -> None:
    before = os.umask(0o137)
    try:
        served = serve(*line("--uds", "app.sock", *options, *more), cwd=directory)
    finally:
        os.umask(before)
    path = directory / "app.sock"
    assert served.url == "unix:app.sock"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert client.get("http://host/a").json()["PATH_INFO"] == "/a"
    assert served.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
def test_a_descriptor(directory: Path, more: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        number, port = passed.fileno(), passed.getsockname()[1]
        process = subprocess.Popen(
            line("--fd", str(number), *more),
            cwd=directory,
            pass_fds=[number],
            stderr=subprocess.PIPE,
            text=True,
        )
    with process:
        # It waits until there is somebody: the socket listens all the time.
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=BOUND).status_code == 200
        process.terminate()
        _, said = process.communicate(timeout=BOUND)
    assert process.returncode == 0, said


def test_several_addresses(serve: Serve, directory: Path) -> None:
    served = serve(
        *line("--bind", "127.0.0.1:0", "-b", "[::1]:0", "-b", "unix:app.sock"), cwd=directory
    )
    first, second, third = served.wait_for_line(r"on (\S+) and (\S+) and (\S+) ").groups()
    assert third == "unix:app.sock"
    for url in (first, second):
        assert httpx.get(url).status_code == 200
    assert served.stop() == 0


# Limits and proxies


@pytest.mark.needs("curl")
def test_proxy_protocol(serve: Serve, directory: Path, program: Callable[[str], str]) -> None:
    served = serve(*line("--proxy-protocol"), cwd=directory)

    def curl(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program("curl"), "-sS", *options, served.url],
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )

    assert json.loads(curl("--haproxy-protocol").stdout)["REMOTE_ADDR"] == "127.0.0.1"
    refused = curl()
    assert refused.returncode != 0 or "400" in refused.stdout
    with Wire(served.url) as wire:
        wire.send("PROXY TCP4 203.0.113.7 203.0.113.8 1 2\r\n")
        wire.head("GET", "/", {"Connection": "close"})
        assert json.loads(wire.answer().read())["REMOTE_ADDR"] == "203.0.113.7"


def test_proxy_protocol_from_strangers(serve: Serve, directory: Path) -> None:
    served = serve(
        *line("--proxy-protocol", "--proxy-protocol-from", "192.0.2.0/24"), cwd=directory
    )
    with Wire(served.url) as wire, contextlib.suppress(ConnectionError):
        wire.send("PROXY TCP4 203.0.113.7 203.0.113.8 1 2\r\n")
        wire.head("GET", "/")
        assert b"203.0.113.7" not in wire.reader.read()


def test_limit_concurrency(serve: Serve, directory: Path) -> None:
    served = serve(*line("--limit-concurrency", "1", "--threads", "4"), cwd=directory)
    with Wire(served.url) as waiting:
        waiting.head("GET", "/wait")
        answer = waiting.answer()
        refused = httpx.get(f"{served.url}/")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert answer.read(5) == b"begun"


def test_keep_alive(serve: Serve, directory: Path) -> None:
    served = serve(*line("--timeout-keep-alive", "100ms"), cwd=directory)
    with Wire(served.url) as wire:
        wire.head("GET", "/")
        assert wire.answer().read()
        assert wire.reader.read() == b"", "it is closed"


def test_workers_by_environment(serve: Serve, directory: Path) -> None:
    served = serve(*line(), cwd=directory, env={"WEB_CONCURRENCY": "2"})
    served.wait_for_line(r"Serving main:app \(WSGI\) on \S+ \(2 workers, ")
    assert served.stop() == 0


@pytest.mark.parametrize("size", [10, 11])
def test_websocket_message_size(serve: Serve, directory: Path, size: int) -> None:
    from websockets.exceptions import ConnectionClosedError
    from websockets.sync.client import connect

    served = serve(*line("--ws-max-size", "10", app="main:echo"), cwd=directory)
    with connect(served.url.replace("http", "ws")) as client:
        client.send("x" * size)
        if size <= 10:
            assert client.recv(timeout=BOUND) == "x" * size
        else:
            with pytest.raises(ConnectionClosedError) as closed:
                client.recv(timeout=BOUND)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009


# What does not start


def test_a_port_in_use(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        for more in ([], ["--workers", "2"]):
            said = refusal(directory, "--bind", where, *more)
            assert f"cannot listen on {where}: address already in use; another program" in said


def test_a_lifespan_that_must_be(directory: Path) -> None:
    """What the application raised is shown, and then one sentence."""
    done = subprocess.run(
        line("--lifespan", "on", app="main:knows_no_lifespan"),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == 3
    assert 'assert scope["type"] != "lifespan"' in done.stderr
    assert done.stderr.endswith("oxbridge: the application failed to start: AssertionError\n")
