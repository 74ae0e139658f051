"""What the server adds to an app: `run.py share`.

CPU per request of the server under load, minus CPU of the app called in a bare loop with a request
that was made once: a WSGI app with an environ, an ASGI app with a scope, `receive` and `send` on an
asyncio loop. The loop runs in the same interpreter on the same core, right after the load, round by
round; the difference is the server's own share, everything that the kernel does for it included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import environments
import process
from figures import Figure, finish
from interfaces import OURS
from launch import WrongAnswer, free_port, pinned, serving, verify
from load import LoadError, Wrk
from machine import cores
from measure import WARM_UP, Spread
from row import APPS, Server
from servers import named

MOST_US = 15.0
WORKLOADS = ("Flask hello", "Flask JSON", "FastAPI JSON")


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py share", description=__doc__)
    parser.add_argument("--server", default=OURS, help=f"as the rows call it; default: {OURS}")
    parser.add_argument("--only", choices=WORKLOADS, help="one workload; default: all")
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)

    figures: list[Figure] = []
    failures: list[str] = []
    for workload in (asked.only,) if asked.only else WORKLOADS:
        name = f"{workload}: {asked.server}"
        try:
            figures += _run(named(name), asked.rounds, asked.connections, asked.seconds)
        except (LoadError, OSError, WrongAnswer) as failure:
            failures.append(f"{name}: {failure}")
    return finish("share", figures, failures, asked.json)


def _run(row: Server, rounds: int, connections: int, seconds: int) -> list[Figure]:
    served: list[float] = []
    bare: list[float] = []
    for number in range(rounds):
        print(f"{row.name}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        served.append(_served(row, connections, seconds))
        bare.append(_bare(row, seconds))
    total, app = Spread.of(served), Spread.of(bare)
    share = Spread.of(with_it - alone for with_it, alone in zip(served, bare, strict=True))
    # There is at least one round.
    assert total is not None
    assert app is not None
    assert share is not None
    return [
        Figure(f"{row.name}: CPU per request", total.median, "µs", note=_range(total)),
        Figure(f"{row.name}: the app alone", app.median, "µs", note=_range(app)),
        Figure(
            f"{row.name}: the server's own share",
            share.median,
            "µs",
            most=MOST_US,
            note=f"{_range(share)}; differences within a round",
        ),
    ]


def _served(row: Server, connections: int, seconds: int) -> float:
    """CPU of the server per request, in microseconds."""
    chosen, wrk, port = cores(), Wrk(), free_port()
    with serving(row.command_line(port), port, chosen.server, cwd=APPS) as running:
        verify(running, row.path, row.body)
        with pinned(chosen.load):
            wrk.run(running.url(row.path), connections=connections, seconds=WARM_UP)
            before = process.cpu(running.pid)
            load = wrk.run(running.url(row.path), connections=connections, seconds=seconds)
        used = process.cpu(running.pid) - before
    if load.trouble or not load.requests:
        raise WrongAnswer(f"errors under load: {load.trouble or 'no request was answered'}")
    return 1e6 * used.total / load.requests


def _bare(row: Server, seconds: int) -> float:
    """CPU of the app per call, in microseconds."""
    environment = row.environment
    # The rows of the check are started in one.
    assert environment is not None
    app = next(part for part in row.command if part.endswith(":app"))
    command = [environments.python(environment), "bare_loop.py", app, row.path, str(seconds)]
    with pinned(cores().server):
        done = subprocess.run(
            command, cwd=APPS, capture_output=True, text=True, timeout=seconds + 60, check=False
        )
    try:
        return float(done.stdout)
    except ValueError:
        raise WrongAnswer(f"the bare loop: {done.stdout}{done.stderr}") from None


def _range(spread: Spread) -> str:
    return f"{spread.low:.2f} to {spread.high:.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
