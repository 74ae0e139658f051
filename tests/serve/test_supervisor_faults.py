"""Workers that die, hang, grow, age and have had enough requests; a supervisor that dies."""

from __future__ import annotations

import http.client
import os
import re
import signal
from pathlib import Path

import pytest
from supervised import APP, Load, Slow, alive, connect, count, get, start, until, workers, write_app

from oxbridge._supervisor.backoff import Backoff
from serving import Serve


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_app(tmp_path)
    return tmp_path


def test_a_killed_worker_costs_at_most_the_requests_it_had(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=2)
    threads = 6
    with Load(served.url, threads) as load:
        victim = min(workers(served))
        os.kill(victim, signal.SIGKILL)
        served.wait_for_line(rf"process {victim}\) was killed by SIGKILL")
        until(lambda: len(workers(served)) == 2, "it has a successor")
        load.goes_on()
    assert len(load.failures) <= threads
    assert all(
        isinstance(each, ConnectionError | http.client.HTTPException) for each in load.failures
    )
    assert served.stop() == 0


def test_a_worker_that_is_told_to_end_finishes_and_is_replaced(
    serve: Serve, directory: Path
) -> None:
    served = start(serve, directory, workers=1)
    slow, (old,) = Slow(served, directory), workers(served)
    os.kill(old, signal.SIGTERM)
    # Until the signal has reached it, the old one still answers.
    until(lambda: int(get(served.url).split()[0]) != old, "another one answers")
    assert alive(old)
    slow.finish()
    until(lambda: not alive(old), "it has ended")
    assert count(served, "was killed") == 0


def test_a_worker_that_hangs_shows_where_and_is_replaced(serve: Serve, directory: Path) -> None:
    write_app(
        directory,
        APP
        + """
    @mux.route("GET /hang")
    def hang(w, req):
        import re

        re.match(r"(a+)+$", "a" * 60 + "b")  # holds the interpreter until the end of days
    """,
    )
    served = start(serve, directory, workers=1, timeout_worker_healthcheck=2)
    (victim,) = workers(served)
    hanging = connect(served.url)
    hanging.request("GET", "/hang")
    served.wait_for_line(rf"process {victim}\) hangs: no sign of life for [0-9]+ s")
    served.wait_for_line(r'File ".*app.py", line \d+ in hang')
    # Until it is gone, its reactor still takes connections, in a thread that does not hang.
    until(lambda: not alive(victim), "it is gone")
    assert get(served.url)
    hanging.close()
    assert served.stop() == 0


@pytest.mark.parametrize(
    ("app", "requests", "shown"),
    [
        # One: a second would wait to be accepted, and the next worker would take it and hang too.
        ("app:asgi", 1, r'File ".*app.py", line \d+ in asgi'),
        ("app:wsgi", 2, r'app.py", line \d+ in wsgi'),
    ],
)
def test_applications_that_hang_are_replaced(
    serve: Serve, directory: Path, app: str, requests: int, shown: str
) -> None:
    """An event loop that is blocked, and threads that all wait for ever."""
    served = start(serve, directory, app=app, workers=1, threads=2, timeout_worker_healthcheck=2)
    (victim,) = workers(served)
    hanging = [connect(served.url) for _ in range(requests)]
    for each in hanging:
        each.request("GET", "/hang")
    served.wait_for_line(rf"process {victim}\) hangs: no sign of life for [0-9]+ s")
    served.wait_for_line(shown)
    until(lambda: not alive(victim), "it is gone")
    assert get(served.url)
    for each in hanging:
        each.close()
    assert served.stop() == 0


def test_a_worker_that_was_stopped_is_replaced(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=1, timeout_worker_healthcheck=2)
    (victim,) = workers(served)
    os.kill(victim, signal.SIGSTOP)
    # Until it is gone, its reactor still takes connections, in a thread that does not hang.
    until(lambda: not alive(victim), "it is gone")
    assert get(served.url)


def test_a_worker_does_not_outlive_the_supervisor(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=2)
    slow, pids = Slow(served, directory), workers(served)
    served.process.kill()
    served.process.wait()
    until(lambda: sum(map(alive, pids)) == 1, "the worker without a request has ended")
    slow.finish()
    until(lambda: not any(map(alive, pids)), "the other one has finished its request")


def test_a_stuck_worker_does_not_outlive_the_supervisor(
    serve: Serve, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = start(serve, directory, workers=1, timeout_graceful_shutdown=0.0)
    (worker,) = workers(served)
    stuck = connect(served.url)
    stuck.request("GET", "/forever")
    assert stuck.getresponse().readline() == b"begun\n"
    served.process.kill()
    until(lambda: not alive(worker), "it has ended")
    stuck.close()


def test_pauses_double_while_workers_die_young() -> None:
    backoff = Backoff(0.1, 1.0)
    now, pauses = 1000.0, []
    for _ in range(6):
        pauses.append(round(backoff.fail(now, lived=3.0), 3))
        now = backoff.until
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    # Several that die of one cause are one failure.
    assert backoff.fail(now, lived=3.0) == pytest.approx(1.0)
    assert backoff.fail(now + 0.4, lived=3.0) == pytest.approx(0.6)
    # Who lived for a minute does not say anything about how workers start.
    assert backoff.fail(now + 100, lived=61.0) == pytest.approx(0.1)
    assert backoff.fail(now + 200, lived=3.0) == pytest.approx(0.2)
    backoff.reset()
    assert backoff.until < 0


def test_workers_that_die_again_and_again_come_back_ever_later(
    serve: Serve, directory: Path
) -> None:
    write_app(
        directory,
        """
        import os

        class Dies:
            # Ends its process once it has started.

            def __rsgi_init__(self, loop):
                loop.call_later(0.1, os._exit, 3)

            async def __rsgi__(self, scope, protocol): ...

        app = Dies()
        """,
    )
    served = start(serve, directory, app="app:app", workers=1)
    served.wait_for_line(r"exited with code 3; the next one starts in 0\.4 s")
    pauses = re.findall(r"exited with code 3; the next one starts in (\S+) s", served.stderr)
    assert pauses[:3] == ["0.1", "0.2", "0.4"]
    assert served.stop() == 0


def test_a_worker_is_replaced_after_its_number_of_requests(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=2, limit_max_requests=50)
    before = workers(served)
    with Load(served.url) as load:
        until(lambda: not (workers(served) & before), "both are replaced")
        load.goes_on()
    assert load.failures == []
    assert count(served, "due for its number of requests") >= 2
    assert served.stop() == 0


def test_a_worker_is_replaced_at_its_age(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=1, worker_max_lifetime=0.5)
    with Load(served.url, 2) as load:
        served.wait_for_line(r"takes the place of worker 0 \(process \d+\), due for its age")
        load.goes_on()
    assert load.failures == []


def test_a_worker_is_replaced_when_it_has_grown(serve: Serve, directory: Path) -> None:
    write_app(
        directory,
        APP
        + """
    @mux.route("GET /grow")
    def grow(w, req):
        global heap
        heap = b"x" * 200_000_000
    """,
    )
    served = start(serve, directory, workers=1, worker_max_memory=150_000_000)
    (before,) = workers(served)
    get(served.url, "/grow")
    served.wait_for_line(rf"place of worker 0 \(process {before}\), due for its use of memory")
    until(lambda: before not in workers(served), "it has ended")
    assert get(served.url)
    assert served.stop() == 0


def test_a_worker_that_does_not_come_up_in_time_is_given_up(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=1, worker_timeout=5)
    (before,) = workers(served)
    write_app(directory, "import threading\nthreading.Event().wait()\n")
    served.process.send_signal(signal.SIGHUP)
    served.wait_for_line("Reloading was given up, .*: a worker was not ready after [0-9]+ s")
    until(lambda: workers(served) == {before}, "only the old one is left")
    assert served.stop() == 0
