"""A WSGI, ASGI or RSGI application served in a process of its own, for tests of the server.

The server is Oxbridge. To know that a test itself is right, run it against a peer that is right in
that respect: `OXBRIDGE_TEST_SERVER=uvicorn` (or gunicorn, granian) takes that one, if it is
installed, with the same options; what a peer gets wrong is said where the test is.

`OXBRIDGE_TEST_SERVER=axum` serves them inside a Rust program: axum, with the application as one of
its services (`crates/embed/examples/app_host.rs`, which cargo builds first).

`OXBRIDGE_TEST_PYTHON` is the interpreter that Oxbridge runs on, if it is not the one that runs the
tests, and `OXBRIDGE_TEST_PYTHONPATH` where that finds it: `tools/run_on_newest.py` sets both.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from cargo_example import cargo_example
from serving import Served, free_port

PEER = os.environ.get("OXBRIDGE_TEST_SERVER", "oxbridge")
"""The server under test by name: `oxbridge`, unless a peer stands in."""

PYTHON = os.environ.get("OXBRIDGE_TEST_PYTHON", sys.executable)
PYTHONPATH = os.environ.get("OXBRIDGE_TEST_PYTHONPATH")

# The interfaces that a peer serves, and how it says that it is ready.
_PEERS = {
    "uvicorn": (("asgi",), r"running on (\S+)"),
    "gunicorn": (("wsgi",), r"Listening at: (\S+)"),
    "granian": (("rsgi", "asgi", "wsgi"), r"Stand-in on (\S+)"),
}
# Our options that a peer spells otherwise; an option that maps to "" is left out, value and all.
_SPELLING = {
    "gunicorn": {"--ssl-keyfile": "--keyfile", "--ssl-certfile": "--certfile"},
    "granian": {
        "--ssl-keyfile": "--ssl-key",
        "--ssl-certfile": "--ssl-cert",
        "--root-path": "--url-path-prefix",
        "--lifespan": "",
    },
}


class ServeApp(Protocol):
    """Serves `module:attribute` of the tests' folder on a free port."""

    def __call__(
        self,
        target: str,
        *options: str,
        interface: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Served: ...


@contextlib.contextmanager
def apps_of(folder: Path) -> Iterator[ServeApp]:
    """Serve applications of a folder; they end with the context, and what they wrote is shown."""
    with contextlib.ExitStack() as started:

        def start(
            target: str,
            *options: str,
            interface: str,
            cwd: Path | None = None,
            env: Mapping[str, str] | None = None,
        ) -> Served:
            served = serve_app(target, *options, interface=interface, cwd=cwd or folder, env=env)
            started.callback(_end, target, served)
            return served

        yield start


def serve_app(
    target: str,
    *options: str,
    interface: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> Served:
    """Start the server under test; the test is skipped if a stand-in lacks the interface."""
    if PEER == "oxbridge":
        command = [PYTHON, "-m", "oxbridge", "serve", target, "--port", "0"]
        found_in = {"PYTHONPATH": PYTHONPATH} if PYTHONPATH else {}
        return Served(
            [*command, "--interface", interface, *options], cwd=cwd, env={**found_in, **(env or {})}
        )
    if PEER == "axum":
        return _in_axum(target, options, interface=interface, cwd=cwd, env=env)
    interfaces, started = _PEERS[PEER]
    if interface not in interfaces:
        pytest.skip(f"{PEER} does not serve {interface.upper()}")
    command = _peer_command(target, interface, options)
    return Served(command, cwd=cwd, env=env, started=started)


def _in_axum(
    target: str,
    options: tuple[str, ...],
    *,
    interface: str,
    cwd: Path,
    env: Mapping[str, str] | None,
) -> Served:
    """Start the axum program; the test is skipped if it wants what that is not for."""
    if interface not in ("asgi", "wsgi"):
        pytest.skip(f"a Rust program does not take {interface.upper()} applications")
    for option in options[::2]:
        if option not in ("--root-path", "--lifespan"):
            pytest.skip(f"{option} is the business of the program around the application")
    command = [cargo_example("app_host"), target, "--interface", interface, "--port", "0", *options]
    # The packages of this interpreter are the application's.
    return Served(command, cwd=cwd, env={**(env or {}), "VIRTUAL_ENV": sys.prefix})


def _end(target: str, served: Served) -> None:
    served.kill()
    print(f"-- the server of {target} wrote:\n{served.stderr}", file=sys.stderr)


def is_peer(*names: str) -> bool:
    """Whether one of these peers stands in for Oxbridge in this run."""
    return PEER in names


def _peer_command(target: str, interface: str, options: tuple[str, ...]) -> list[str]:
    """Command line of the stand-in."""
    spelled: list[str] = []
    spelling = _SPELLING.get(PEER, {})
    rest = iter(options)
    for option in rest:
        name = spelling.get(option, option)
        if name:
            spelled.append(name)
        else:
            next(rest)
    if PEER == "uvicorn":
        return [sys.executable, "-m", "uvicorn", target, "--port", "0", *spelled]
    if PEER == "gunicorn":
        bind = ["--bind", "127.0.0.1:0", "--threads", "40", "--worker-class", "gthread"]
        return [sys.executable, "-m", "gunicorn", target, *bind, *spelled]
    # It does not tell which port it was given, nor when its worker is ready: a wrapper does.
    scheme = "https" if "--ssl-certfile" in options else "http"
    port = free_port()
    arguments = [target, "--port", str(port), "--interface", interface, *spelled]
    return [sys.executable, "-c", _GRANIAN, f"{scheme}://127.0.0.1:{port}", *arguments]


_GRANIAN = """
import signal, socket, subprocess, sys, time
url, *arguments = sys.argv[1:]
child = subprocess.Popen([sys.executable, "-m", "granian", *arguments])
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
while child.poll() is None:
    try:
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
        break
    except OSError:
        time.sleep(0.05)
print("Stand-in on", url, file=sys.stderr, flush=True)
sys.exit(child.wait())
"""
