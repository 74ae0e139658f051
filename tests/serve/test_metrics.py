"""Metrics, health and readiness on an address of their own, with workers and without."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from supervised import (
    BOUND,
    Slow,
    command,
    get,
    send,
    start,
    until,
    workers,
    write_app,
)

from serving import Serve, Served

REQUESTS = "oxbridge_http_requests_total"
# A start that waits until the test hangs up.
GATED = """
    import os, socket

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            gate = socket.create_connection(("127.0.0.1", int(os.environ["GATE"])))
            assert gate.recv(1) == b""
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"served"})
"""
ALONE = {"workers": 1, "worker_timeout": None}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_app(tmp_path)
    return tmp_path


def asked(url: str, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"{url}{path}", timeout=BOUND) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


def observed(served: Served) -> str:
    """Where the metrics are."""
    return served.wait_for_line(r"Metrics and health are on (\S+)")[1]


def total(url: str, name: str = REQUESTS) -> float:
    """The sum of a counter over all its labels, from a page that must be well formed."""
    status, page = asked(url, "/metrics")
    assert status == 200
    families = list(text_string_to_metric_families(page))
    found = [sample.value for each in families for sample in each.samples if sample.name == name]
    assert found, page
    return sum(found)


def test_workers_are_counted_together_and_nothing_is_lost_when_they_are_replaced(
    serve: Serve, directory: Path
) -> None:
    served = start(serve, directory, metrics_bind="127.0.0.1:0")
    url, asked_before = observed(served), 0
    seen: set[str] = set()
    while len(seen) < 2:
        seen.add(get(served.url).split()[0])
        asked_before += 1
    until(lambda: total(url) == asked_before, "both workers' requests are counted")
    for _ in range(2):
        old = workers(served)
        send(served, signal.SIGHUP)
        counts = [total(url)]

        def replaced(old: set[int] = old, counts: list[float] = counts) -> bool:
            counts.append(total(url))
            return not (workers(served) & old)

        until(replaced, "all workers are new")
        assert counts == sorted(counts)
        assert counts[-1] == asked_before
        get(served.url)
        asked_before += 1
        until(lambda wanted=asked_before: total(url) == wanted, "the new ones count on")  # type: ignore[misc]
    assert served.stop() == 0


def test_a_killed_workers_requests_stay_counted(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=1, metrics_bind="127.0.0.1:0")
    url = observed(served)
    victim = int(get(served.url).split()[0])
    until(lambda: total(url) == 1, "it is counted")
    os.kill(victim, signal.SIGKILL)
    until(lambda: workers(served) - {victim} and asked(url, "/readyz")[0] == 200, "another serves")
    assert total(url) == 1
    assert served.stop() == 0


def test_one_process_counts_too(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, metrics_bind="127.0.0.1:0", **ALONE)
    assert not workers(served)
    url = observed(served)
    get(served.url)
    until(lambda: total(url) == 1, "it is counted")
    assert asked(url, "/healthz")[0] == 200
    assert served.stop() == 0


@pytest.mark.parametrize("several", [True, False])
def test_readiness_before_while_and_after(directory: Path, several: bool) -> None:
    write_app(directory, GATED)
    options = {"workers": 2} if several else ALONE
    line = command(
        directory,
        app="app:app",
        metrics_bind="127.0.0.1:0",
        health_path="/live",
        ready_path="/ready",
        **options,
    )
    with (
        socket.create_server(("127.0.0.1", 0)) as gate,
        watched(line, directory, GATE=str(gate.getsockname()[1])) as (process, lines),
    ):
        gate.settimeout(BOUND)
        url = told(lines, r"Metrics and health are on (\S+)")
        assert asked(url, "/live")[0] == 200
        assert asked(url, "/ready")[0] == 503
        starting = [gate.accept()[0] for _ in range(2 if several else 1)]
        assert asked(url, "/ready")[0] == 503
        for each in starting:
            each.close()
        served = told(lines, r"Serving app:app \(ASGI\) on (\S+)")
        assert get(served) == "served"
        until(lambda: asked(url, "/ready")[0] == 200, "it is ready")
        assert asked(url, "/healthz")[0] == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(BOUND) == 0


@pytest.mark.parametrize("several", [True, False])
def test_readiness_while_requests_finish(serve: Serve, directory: Path, several: bool) -> None:
    options = {"workers": 2} if several else ALONE
    served = start(serve, directory, metrics_bind="127.0.0.1:0", **options)
    url = observed(served)
    slow = Slow(served, directory)
    assert asked(url, "/readyz")[0] == 200
    send(served, signal.SIGTERM)
    until(lambda: asked(url, "/readyz")[0] == 503, "it is not ready any more")
    assert asked(url, "/healthz")[0] == 200
    slow.finish()
    assert served.wait() == 0


def test_an_address_in_use_is_one_sentence(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, metrics_bind="127.0.0.1:0", **ALONE)
    taken = observed(served).removeprefix("http://")
    done = subprocess.run(
        command(directory, metrics_bind=taken),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"oxbridge: cannot listen on {taken}: address already in use")
    assert done.stderr.count("\n") == 1


class watched:  # noqa: N801 (used as a function is)
    """A process whose standard error is read line by line, and which ends with the block."""

    def __init__(self, line: list[str], directory: Path, **environ: str) -> None:
        self._process = subprocess.Popen(
            line, cwd=directory, env={**os.environ, **environ}, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> tuple[subprocess.Popen[str], Iterator[str]]:
        assert self._process.stderr is not None
        return self._process, iter(self._process.stderr)

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        with self._process:
            pass


def told(lines: Iterator[str], pattern: str) -> str:
    """Read on to a line with the pattern."""
    for line in lines:
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"no line with {pattern}")
