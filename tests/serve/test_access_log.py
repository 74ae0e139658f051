"""The access log: its formats, where it goes, and that it goes on in a new file once renamed."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from supervised import BOUND, command, get, send, start, until, write_app

from serving import Serve

ALONE = {"workers": 1, "worker_timeout": None}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_app(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, r'unix: - - \[\S+ \+0000\] "GET /\?a=b HTTP/1\.1" 200 \d+'),
        (
            {"access_log_format": "combined"},
            r'unix: - - \[\S+ \+0000\] "GET /\?a=b HTTP/1\.1" 200 \d+ "-" "-"',
        ),
        ({"access_log_format": "%(h)s %(m)s %(U)s %(q)s %(s)s"}, r"unix: GET / a=b 200"),
        ({"access_log_format": "json"}, r"\{.*\}"),
        ({"access_log": False}, None),
        ({"log_level": "warning"}, None),
    ],
)
@pytest.mark.needs("curl")
def test_formats(
    directory: Path, program: Callable[[str], str], options: dict[str, object], line: str | None
) -> None:
    """One request, one line on standard output, in one process."""
    given = {**ALONE, "bind": "unix:app.sock", "access_log": True, **options}
    process = subprocess.Popen(
        command(directory, **given),  # type: ignore[arg-type]
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        until(lambda: _listens(directory / "app.sock"), "it listens")
        done = subprocess.run(
            [program("curl"), "-sSA", "", "--unix-socket", "app.sock", "http://host/?a=b"],
            cwd=directory,
            check=True,
            capture_output=True,
            text=True,
            timeout=BOUND,
        )
        assert done.stdout.endswith(" one")
        process.send_signal(signal.SIGTERM)
        written, said = process.communicate(timeout=BOUND)
    assert process.returncode == 0, said
    if line is None:
        assert written == ""
        return
    assert re.fullmatch(line + "\n", written), written
    if options.get("access_log_format") == "json":
        entry = json.loads(written)
        assert entry["status"] == 200


@pytest.mark.parametrize("options", [{"workers": 2}, ALONE])
def test_it_goes_on_in_a_new_file(
    serve: Serve, directory: Path, options: dict[str, object]
) -> None:
    log, renamed = directory / "access.log", directory / "access.log.1"
    log.write_text("before\n")
    served = start(serve, directory, **options, access_log=True, access_log_file=log)
    get(served.url, "/")
    until(lambda: log.read_text().count("GET / ") == 1, "the request is logged")
    assert log.read_text().startswith("before\n")
    log.rename(renamed)
    get(served.url, "/")
    until(lambda: renamed.read_text().count("GET / ") == 2, "the file is the same, by any name")
    send(served, signal.SIGUSR1)
    until(log.exists, "there is a new file")

    def goes_there() -> bool:
        get(served.url, "/")
        before = renamed.read_text()
        get(served.url, "/")
        return "GET / " in log.read_text() and renamed.read_text() == before

    until(goes_there, "all lines go to the new file")
    assert served.stop() == 0


def test_a_directory_that_is_gone_costs_no_line(serve: Serve, directory: Path) -> None:
    place, moved = directory / "logs", directory / "elsewhere"
    place.mkdir()
    served = start(serve, directory, access_log=True, access_log_file=place / "a.log", **ALONE)
    place.rename(moved)
    send(served, signal.SIGUSR1)
    served.wait_for_line("ERROR: +The access log goes on in its old file: ")
    get(served.url)
    until(lambda: "GET / " in (moved / "a.log").read_text(), "the old file goes on")
    assert served.stop() == 0


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
