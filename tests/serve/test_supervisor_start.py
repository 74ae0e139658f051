"""What ends a start, what is said of it, and the file with the supervisor's number."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from supervised import BOUND, command, count, fails, get, start, write_app

from oxbridge._supervisor.pidfile import PidFile
from serving import Serve


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_app(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "said", "shown"),
    [
        ("import no_such_module_of_ours", "ModuleNotFoundError: No module named", True),
        ("def f(:\n    pass", "SyntaxError: ", True),
        ("def deep():\n    1 / 0\n\ndeep()", "ZeroDivisionError: division by zero", True),
        ("import sys\nsys.exit(3)", "the application ended the process", False),
        (
            "import os\nos._exit(7)",
            "a worker ended before it was ready: it exited with code 7",
            False,
        ),
        (
            "import os\nos.kill(os.getpid(), 9)",
            "a worker ended before it was ready: it was killed by SIGKILL",
            False,
        ),
    ],
)
def test_an_application_that_fails_to_start_ends_it_all(
    directory: Path, source: str, said: str, shown: bool
) -> None:
    write_app(directory, source)
    written = fails(directory, workers=3)
    # The sentence once; a traceback ends with it too.
    assert len(re.findall(f"^(?:ERROR: *)?{re.escape(said)}", written, re.M)) in (1, 1 + shown), (
        written
    )
    assert written.count("Traceback") <= shown
    assert "oxbridge/_" not in written, "frames that are not the application's"
    assert "<frozen importlib" not in written
    assert "while it stopped" not in written
    if "deep" in source:
        assert "line 2, in deep\n" in written
    if "def f(" in source:
        assert "app.py" in written
    assert "Serving " not in written


REFUSES = """
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "the database is away"})
"""


@pytest.mark.parametrize("workers", [1, 3])
def test_a_lifespan_that_refuses_ends_it_all_with_uvicorns_code(
    directory: Path, workers: int
) -> None:
    write_app(directory, REFUSES)
    alone = {"worker_timeout": None} if workers == 1 else {}
    written = fails(directory, code=3, app="app:app", workers=workers, **alone)
    said = "the application failed to start: the database is away\n"
    assert written == (f"oxbridge: {said}" if workers == 1 else f"ERROR:    {said}")


def test_a_missing_worker_program_is_one_sentence(directory: Path) -> None:
    program = (
        "import logging, sys; from oxbridge._supervisor import supervise; "
        "from oxbridge import Config; "
        "logging.basicConfig(format='%(message)s'); "
        "config = Config(app='app:mux', port=0); "
        "sys.exit(supervise(config, command=['/no/such/program']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        check=False,
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("cannot start a worker: ")
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_one_sentence(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        written = fails(directory, bind=[address])
    assert written.startswith(f"oxbridge: cannot listen on {address}: address already in use; ")
    assert written.count("\n") == 1


def test_several_addresses_and_a_socket_file(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, bind=["127.0.0.1:0", "unix:app.sock", "127.0.0.1:0"])
    line = served.wait_for_line(
        r"Serving app:mux \(handlers\) on (\S+) and (\S+) and (\S+) \(2 workers"
    )
    first, path, second = line.groups()
    assert path == "unix:app.sock"
    assert get(first)
    assert get(second)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(BOUND)
        client.connect(str(directory / "app.sock"))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert served.stop() == 0
    assert not (directory / "app.sock").exists()


def test_sockets_from_systemd(directory: Path) -> None:
    activate = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_FDS'] = '1'; "
        "os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"
    )
    with socket.create_server(("127.0.0.1", 0)) as passed:
        number = passed.fileno()
        url = f"http://127.0.0.1:{passed.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-c", activate, str(number), *command(directory, bind=["systemd"])],
            cwd=directory,
            pass_fds=[number],
            stderr=subprocess.PIPE,
            text=True,
        )
    with process:
        # The connection waits until there are workers: the socket listens all the time.
        assert get(url)
        process.send_signal(signal.SIGTERM)
        _, written = process.communicate(timeout=BOUND)
    assert process.returncode == 0, written


def test_the_pid_file_is_there_while_it_runs(serve: Serve, directory: Path) -> None:
    path = directory / "oxbridge.pid"
    path.write_text("1\n")  # left behind by a run that was killed; process 1 runs, but not that one
    served = start(serve, directory, pid_file=str(path), workers=1)
    assert path.read_text() == f"{served.process.pid}\n"
    written = fails(directory, pid_file=str(path))
    assert written == (
        f"oxbridge: the pid file {path} belongs to process {served.process.pid}, which still runs\n"
    )
    assert path.exists()
    assert served.stop() == 0
    assert not path.exists()


def test_a_killed_supervisor_leaves_a_pid_file_that_is_stale(serve: Serve, directory: Path) -> None:
    path = directory / "oxbridge.pid"
    served = start(serve, directory, pid_file=str(path), workers=1)
    served.process.kill()
    served.process.wait()
    assert path.exists()
    again = start(serve, directory, pid_file=str(path), workers=1)
    assert path.read_text() == f"{again.process.pid}\n"


def test_a_pid_file_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with PidFile(str(path)):
        path.unlink()
        path.write_text("another one's\n")
    assert path.read_text() == "another one's\n"
    with pytest.raises(OSError, match=r"cannot write the pid file .*: No such file"):
        PidFile(str(tmp_path / "no" / "pid")).__enter__()
    os.symlink(path, tmp_path / "link")
    with pytest.raises(OSError, match="cannot write the pid file"):
        PidFile(str(tmp_path / "link")).__enter__()


def test_one_start_line_for_many_workers(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=4)
    assert count(served, "Serving app:mux (") == 1
    assert served.stop() == 0
