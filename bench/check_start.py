"""How soon a hello server in Python answers, and how much memory it has then: `run.py start`.

From the start of its process to the end of its first answer, on one core, with the files in the
system's cache; and the memory of the process tree after a load. Peers are measured for comparison.
"""

from __future__ import annotations

import argparse
import sys
import time

import process
from build import CannotBuild
from figures import Figure, finish
from launch import WrongAnswer, free_port, pinned, serving, verify
from load import LoadError, Wrk
from machine import cores
from measure import WARM_UP, Spread
from report import MIB
from row import APPS, Server
from servers import named

MOST_MS = 150.0
MOST_MIB = 20.0
CONNECTIONS = (10, 100)
OURS = "oxbridge python"
ROWS = (OURS, "WSGI hello: oxbridge", "ASGI hello: oxbridge") + (
    "WSGI hello: fastpysgi",
    "WSGI hello: granian st",
    "WSGI hello: gunicorn gthread",
    "ASGI hello: granian st",
    "ASGI hello: uvicorn",
)
# Seconds between two attempts to connect.
EVERY = 0.001


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py start", description=__doc__)
    parser.add_argument("--only", choices=ROWS, help="one server; default: all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    figures: list[Figure] = []
    failures: list[str] = []
    for name in (asked.only,) if asked.only else ROWS:
        try:
            figures += _run(named(name), asked.rounds)
        except (CannotBuild, LoadError, OSError, WrongAnswer) as failure:
            failures.append(f"{name}: {failure}")
    return finish("start", figures, failures, asked.json)


def _run(row: Server, rounds: int) -> list[Figure]:
    print(row.name, file=sys.stderr, flush=True)
    # The first start reads files and writes what Python has compiled; it is not counted.
    _start(row)
    spread = Spread.of(1e3 * _start(row) for _ in range(rounds))
    # There is at least one round.
    assert spread is not None
    bounded = row.name == OURS
    return [
        Figure(
            f"{row.name}: from its start to its first answer",
            spread.median,
            "ms",
            most=MOST_MS if bounded else None,
            note=f"{spread.low:.0f} to {spread.high:.0f}",
        ),
        *(
            Figure(
                f"{row.name}: memory after {number} connections",
                _memory(row, number) / MIB,
                "MiB",
                most=MOST_MIB if bounded else None,
            )
            for number in CONNECTIONS
        ),
    ]


def _start(row: Server) -> float:
    """Seconds until its first answer was there."""
    port = free_port()
    command = row.command_line(port)
    begun = time.monotonic()
    with serving(command, port, cores().server, cwd=APPS, every=EVERY) as running:
        verify(running, row.path, row.body, times=1)
        return time.monotonic() - begun


def _memory(row: Server, connections: int) -> int:
    """RSS of the tree after so many connections have loaded it, in bytes."""
    chosen, port = cores(), free_port()
    with serving(row.command_line(port), port, chosen.server, cwd=APPS) as running:
        verify(running, row.path, row.body)
        with pinned(chosen.load):
            Wrk().run(running.url(row.path), connections=connections, seconds=WARM_UP)
        return process.memory(running.pid).rss


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
