"""SIGHUP reads the TOML file again: new workers have what it says by then."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest
from supervised import Load, connect, count, send, until, workers, write_app

from serving import Serve, Served

PLAIN = {"host": "127.0.0.1", "port": 0, "workers": 2, "access_log": False, "app": "app:mux"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_app(tmp_path)
    return tmp_path


def write(directory: Path, **options: object) -> None:
    """Write the file: everything is text, a number, a boolean or a list of texts."""

    def text(value: object) -> str:
        return str(value).lower() if isinstance(value, bool) else repr(value)

    lines = (f"{name} = {text(value)}\n" for name, value in {**PLAIN, **options}.items())
    (directory / "oxbridge.toml").write_text("".join(lines))


def serve_file(serve: Serve, directory: Path, *arguments: str) -> Served:
    command = [sys.executable, "-m", "oxbridge", "serve", "--config", "oxbridge.toml"]
    return serve(*command, *arguments, cwd=directory)


def header(served: Served) -> str | None:
    """What the field X-From says, that the configuration adds."""
    connection = connect(served.url)
    connection.request("GET", "/", headers={"Connection": "close"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.getheader("X-From")


def test_new_workers_have_what_the_file_says_now(serve: Serve, directory: Path) -> None:
    write(directory, headers=["X-From: one"])
    served = serve_file(serve, directory)
    assert header(served) == "one"
    old = workers(served)
    write(directory, headers=["X-From: two"], workers=3)
    with Load(served.url) as load:
        send(served, signal.SIGHUP)
        until(lambda: len(workers(served)) == 3 and not workers(served) & old, "all are new")
        load.goes_on()
    assert not load.failures
    assert header(served) == "two"
    # One that dies is replaced by the same.
    victim = min(workers(served))
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(workers(served) - {victim}) == 3, "there are three again")
    assert header(served) == "two"
    assert served.stop() == 0


def test_the_command_line_still_comes_first(serve: Serve, directory: Path) -> None:
    write(directory, headers=["X-From: file"])
    served = serve_file(
        serve, directory, "--header", "X-From: line", "--workers", "1", "--worker-timeout", "60"
    )
    (old,) = workers(served)
    write(directory, headers=["X-From: other"], workers=5)
    send(served, signal.SIGHUP)
    until(lambda: workers(served) and old not in workers(served), "it is new")
    assert len(workers(served)) == 1
    assert header(served) == "line"
    assert served.stop() == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("workers = ", r"oxbridge\.toml is not TOML: .*"),
        ("workers = 'many'", r"workers in oxbridge\.toml must be .*, not 'many'"),
        ("nonsense = 1", r"nonsense in oxbridge\.toml is not an option"),
        ("host = '127.0.0.1'", "an application is missing"),
        ("app = 'app:mux'\nssl-certfile = 'none.pem'", "the certificate none.pem cannot be read"),
    ],
)
def test_a_file_that_is_wrong_replaces_nobody(
    serve: Serve, directory: Path, text: str, why: str
) -> None:
    write(directory, headers=["X-From: one"])
    served = serve_file(serve, directory)
    old = workers(served)
    (directory / "oxbridge.toml").write_text(text)
    send(served, signal.SIGHUP)
    served.wait_for_line(f"Reloading was given up, the old workers serve on: .*{why}")
    assert workers(served) == old
    assert header(served) == "one"
    assert served.stop() == 0


def test_a_file_that_workers_do_not_start_by_is_given_up(serve: Serve, directory: Path) -> None:
    write(directory, headers=["X-From: one"])
    served = serve_file(serve, directory)
    old = workers(served)
    write(directory, headers=["X-From: two"], app="no_such_module:app", workers=4)
    send(served, signal.SIGHUP)
    served.wait_for_line("Reloading was given up, the old workers serve on")
    until(lambda: workers(served) == old, "the old ones are there, and no other")
    # What starts now is started by what worked.
    victim = min(old)
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(workers(served) - {victim}) == 2, "there are two again")
    until(lambda: header(served) == "one", "it serves")
    assert served.stop() == 0


def test_what_only_a_restart_changes_is_said(serve: Serve, directory: Path) -> None:
    write(directory, headers=["X-From: one"])
    served = serve_file(serve, directory)
    old = workers(served)
    write(directory, headers=["X-From: two"], host="127.0.0.2", pid_file="other.pid")
    send(served, signal.SIGHUP)
    served.wait_for_line("Only a restart changes host, pid-file")
    until(lambda: len(workers(served)) == 2 and not workers(served) & old, "all are new")
    assert header(served) == "two"
    assert not (directory / "other.pid").exists()
    assert served.stop() == 0
    assert count(served, "Serving app:mux") == 1
    assert re.search(r"127\.0\.0\.1", served.url)
