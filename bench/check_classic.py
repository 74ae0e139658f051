"""The table that the idea of this project began with, on this machine: `run.py classic`.

In 2016 a Go server whose handlers were Python functions was measured so: `ab`, 10,000 requests, 10
at a time, each on a connection of its own. Its figures stand beside ours. They belong to a laptop
of that time: compare only what is on one side. Server and `ab` have a core each, and figures are
medians.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

from build import CannotBuild
from figures import Figure, finish
from launch import Running, WrongAnswer, free_port, pinned, serving, verify
from load import LoadError
from machine import ROOT, cores
from measure import Spread
from row import APPS
from servers import named

sys.path.insert(0, str(ROOT / "tools"))
import programs

REQUESTS = 10_000
CONCURRENCY = 10

PUBLISHED = {
    "go-net/http": (1.115, 8969.89, 0.111),
    "gohttp-c": (1.181, 8470.97, 0.118),
    "gohttp-python": (1.285, 7779.87, 0.129),
    "gunicorn-flask": (7.826, 1277.73, 0.783),
    "werkzeug-flask": (15.029, 665.37, 1.503),
}
"""Seconds in all, requests/s, and milliseconds for each request, all of 2016."""

ROWS = {
    "oxbridge native": "",
    "oxbridge C": "gohttp-c",
    "oxbridge python": "gohttp-python",
    "go net/http": "go-net/http",
    "gunicorn sync + Flask": "gunicorn-flask",
    "werkzeug + Flask": "werkzeug-flask",
}
"""Which of the published rows stands beside which of ours."""


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py classic", description=__doc__)
    parser.add_argument("--only", choices=[*ROWS], help="one server; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    chosen = [asked.only] if asked.only else [*ROWS]
    took: dict[str, list[float]] = {name: [] for name in chosen}
    failures: list[str] = []
    for number in range(asked.rounds):
        for name in chosen:
            print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
            try:
                took[name].append(_run(name, asked.requests))
            except (CannotBuild, LoadError, OSError, WrongAnswer) as failure:
                failures.append(f"{name}: {failure}")
    figures = [
        figure
        for name, seconds in took.items()
        if seconds
        for figure in _figures(name, seconds, asked.requests)
    ]
    return finish("classic", figures, failures, asked.json)


def _figures(name: str, seconds: list[float], requests: int) -> list[Figure]:
    spread = Spread.of(seconds)
    # There is at least one round.
    assert spread is not None
    then = PUBLISHED.get(ROWS[name])
    notes = [f"{ROWS[name]} in 2016: {value:,}" for value in then] if then else [""] * 3
    total = spread.median
    return [
        Figure(f"{name}: total", total, "s", note=notes[0]),
        Figure(f"{name}: requests/s", requests / total, note=notes[1]),
        Figure(f"{name}: time for each request", 1e3 * total / requests, "ms", note=notes[2]),
    ]


def _run(name: str, requests: int) -> float:
    """Seconds that `ab` took."""
    row, chosen, port = named(name), cores(), free_port()
    with serving(row.command_line(port), port, chosen.server, cwd=APPS) as running:
        verify(running, row.path, row.body, close=True)
        with pinned(chosen.load):
            return _ab(running, row.path, requests)


def _ab(running: Running, path: str, requests: int) -> float:
    ab = programs.find("ab")
    if ab is None:
        raise LoadError(
            "the load generator ab is missing (Debian, Ubuntu: apt install apache2-utils)"
        )
    command = [ab, "-q", "-n", str(requests), "-c", str(CONCURRENCY), running.url(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    taken = re.search(r"^Time taken for tests:\s+([\d.]+) seconds", done.stdout, re.MULTILINE)
    failed = re.search(r"^Failed requests:\s+(\d+)", done.stdout, re.MULTILINE)
    if taken is None or failed is None:
        raise LoadError(f"ab did not run: {(done.stderr or done.stdout).strip()}")
    if failed[1] != "0" or "Non-2xx" in done.stdout:
        raise LoadError(f"{failed[1]} requests failed, or were not answered with 200")
    return float(taken[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
