"""Signals to the supervisor: stopping, rolling, more and fewer workers."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from supervised import (
    BOUND,
    Load,
    Slow,
    alive,
    command,
    connect,
    count,
    get,
    send,
    start,
    until,
    workers,
    write_app,
)

from serving import Serve, Served
from wire import until_refused


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_app(tmp_path)
    return tmp_path


def gone(served: Served, pids: set[int]) -> None:
    """Wait until all of these workers have ended."""
    until(lambda: not (workers(served) & pids), "all old workers have ended")


def test_workers_share_the_socket_and_the_start_line_comes_once(
    serve: Serve, directory: Path
) -> None:
    served = start(serve, directory, workers=3)
    assert len(workers(served)) == 3
    pids: set[int] = set()

    def all_seen() -> bool:
        pids.add(int(get(served.url).split()[0]))
        return len(pids) > 1

    until(all_seen, "more than one worker answers")
    assert pids <= workers(served)
    assert served.stop() == 0
    assert count(served, "Serving app:mux (") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_finish_before_the_end(
    serve: Serve, directory: Path, number: signal.Signals
) -> None:
    served = start(serve, directory)
    slow, pids = Slow(served, directory), workers(served)
    send(served, number)
    until(lambda: len(workers(served)) == 1, "the worker without a request has ended")
    until_refused(served.url)
    slow.finish()
    assert served.wait() == 0
    assert not any(map(alive, pids))


def test_the_deadline_cuts_what_does_not_finish(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, timeout_graceful_shutdown=0.2)
    begun = connect(served.url)
    begun.request("GET", "/forever")
    assert begun.getresponse().readline() == b"begun\n"
    assert served.stop() == 0
    begun.close()


@pytest.mark.parametrize("numbers", [[signal.SIGINT, signal.SIGINT], [signal.SIGQUIT]])
def test_a_second_interrupt_or_quit_cuts(
    serve: Serve, directory: Path, numbers: list[signal.Signals]
) -> None:
    served = start(serve, directory, timeout_graceful_shutdown=None)
    slow = Slow(served, directory)
    for number in numbers[:-1]:
        send(served, number)
        served.wait_for_line("Stopping: ")
    assert served.process.poll() is None
    send(served, numbers[-1])
    assert served.wait() == 0
    with pytest.raises((ConnectionError, http.client.IncompleteRead)):
        slow.answer.read()
    slow.close()


def test_a_signal_while_workers_start_ends_it(serve: Serve, directory: Path) -> None:
    os.mkfifo(directory / "gate")
    write_app(directory, 'print("loading", flush=True)\nopen("gate").read()\n')
    process = subprocess.Popen(
        command(directory), cwd=directory, stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGTERM)
        _, written = process.communicate(timeout=BOUND)
    assert process.returncode == 0, written
    assert "Traceback" not in written


@pytest.mark.parametrize("app", ["app:mux", "app:wsgi", "app:asgi", "app:rsgi"])
def test_reloading_under_load_fails_no_request(serve: Serve, directory: Path, app: str) -> None:
    served = start(serve, directory, app=app, workers=2)
    before = workers(served)
    versions = ("two", "three") if app == "app:mux" else ("two",)
    with Load(served.url) as load:
        for version in versions:
            write_app(directory, version=version)
            send(served, signal.SIGHUP)
            gone(served, before)
            until(lambda: len(workers(served)) == 2, "as many as before")
            load.goes_on()
            before = workers(served)
    assert load.failures == []
    assert {seen.split()[1] for seen in load.seen} == {"one", *versions}
    assert get(served.url).split()[1] == versions[-1]
    assert count(served, f"Serving {app} (") == 1
    assert served.stop() == 0


def test_a_request_that_runs_outlives_a_reload(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=1)
    slow, (old,) = Slow(served, directory), workers(served)
    write_app(directory, version="two")
    send(served, signal.SIGHUP)
    until(lambda: get(served.url).split()[1] == "two", "the new code answers")
    assert old in workers(served)
    slow.finish()
    until(lambda: old not in workers(served), "the old worker has ended")


def test_code_that_does_not_start_leaves_the_old_workers(serve: Serve, directory: Path) -> None:
    served = start(serve, directory)
    before = workers(served)
    write_app(directory, 'raise LookupError("no such table")')
    send(served, signal.SIGHUP)
    served.wait_for_line(
        "Reloading was given up, the old workers serve on: .* its own code raised LookupError"
    )
    until(lambda: workers(served) == before, "the failed worker is gone")
    assert get(served.url).split()[1] == "one"
    write_app(directory, version="two")
    send(served, signal.SIGHUP)
    gone(served, before)
    assert get(served.url).split()[1] == "two"


def test_one_worker_more_and_less(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=1)
    (first,) = workers(served)
    for wanted in (2, 3):
        send(served, signal.SIGTTIN)
        until(lambda wanted=wanted: len(workers(served)) == wanted, f"{wanted} workers")  # type: ignore[misc]
    for wanted in (2, 1):
        send(served, signal.SIGTTOU)
        until(lambda wanted=wanted: len(workers(served)) == wanted, f"{wanted} workers")  # type: ignore[misc]
    send(served, signal.SIGTTOU)
    served.wait_for_line("shall be 3")
    until(lambda: count(served, "shall be 1 ") == 2, "there is always one")
    assert get(served.url)
    assert first not in workers(served)  # the oldest goes first
    assert served.stop() == 0


def test_what_was_asked_for_stays_private(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, ssl_keyfile_password="hunter2")
    for pid in workers(served):
        for name in ("cmdline", "environ"):
            assert b"hunter2" not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_it_sleeps_while_nothing_happens(serve: Serve, directory: Path) -> None:
    """Also while a worker is due and its successor takes its time."""
    os.mkfifo(directory / "gate")
    served = start(serve, directory, workers=1, worker_max_lifetime=1.0, worker_max_memory=1 << 40)

    def used() -> float:
        """Its processor time, in seconds."""
        ticks = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, ticks[11:13])) / os.sysconf("SC_CLK_TCK")

    write_app(directory, 'open("gate").read()\n')
    until(lambda: len(workers(served)) == 2, "a successor starts")
    before, begun = used(), time.monotonic()
    until(lambda: time.monotonic() - begun > 1, "a second is over")
    assert used() - before < 0.3
    with open(directory / "gate", "w"):
        pass


def test_programs_of_the_application_inherit_nothing(serve: Serve, directory: Path) -> None:
    write_app(
        directory,
        """
        import os
        from oxbridge import Mux

        mux = Mux()

        @mux.route("/")
        def index(w, req):
            open_here = [int(each) for each in os.listdir("/proc/self/fd")]
            for each in open_here:
                try:
                    if each > 2 and os.get_inheritable(each):
                        w.write(f"{each} is {os.readlink(f'/proc/self/fd/{each}')}\\n")
                except OSError:
                    pass  # the descriptor of the listing itself
        """,
    )
    served = start(serve, directory, workers=1)
    assert get(served.url) == ""
