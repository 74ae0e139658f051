"""How long a hello takes where the server has time: `run.py latency`.

In the table the load waits for nothing, so a latency there is the length of a queue, and whatever
else ran on the server's core for a moment. Here the clients pause between an answer and their next
request, all servers get as many requests per second, and most of the time they have nothing to do:
what is left is what the server adds to a request, and how often it stops for something else.

Rounds are interleaved and ratios formed within a round, as for the table (bench/README.md).
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from build import CannotBuild
from figures import Figure, finish
from launch import WrongAnswer, free_port, pinned, serving, verify
from load import Load, LoadError, Manner, Wrk
from machine import cores
from measure import WARM_UP, Spread
from row import APPS, Server
from servers import named

CONNECTIONS = 64
QUANTILES = {name: attrgetter(f"{name.replace('.', '')}_us") for name in ("p50", "p99", "p99.9")}


@dataclass(frozen=True)
class Group:
    """A server of ours and the peers that are asked for the same."""

    ours: str
    peers: Sequence[str]

    @property
    def names(self) -> Sequence[str]:
        return (self.ours, *self.peers)


def _interface(name: str, peers: Sequence[str]) -> Group:
    return Group(f"{name}: oxbridge", [f"{name}: {peer}" for peer in peers])


GROUPS = (
    Group("oxbridge native", ["axum", "go net/http", "libmicrohttpd"]),
    Group("oxbridge python", []),
    _interface(
        "WSGI hello",
        ["granian st", "granian mt", "gunicorn sync", "gunicorn gthread", "fastpysgi", "socketify"],
    ),
    _interface(
        "ASGI hello",
        ["granian st", "uvicorn", "gunicorn asgi", "fastpysgi", "socketify", "hypercorn"],
    ),
    _interface("RSGI hello", ["granian st"]),
    _interface("Flask JSON", ["granian st", "gunicorn gthread", "fastpysgi"]),
    _interface("FastAPI JSON", ["granian st", "uvicorn"]),
)


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py latency", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=[group.ours for group in GROUPS],
        help="a server of ours and its peers; may be repeated; default: all",
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of each load; default: 3")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    groups = [group for group in GROUPS if not asked.only or group.ours in asked.only]
    loads, failures = _measure(groups, asked.rounds, asked.seconds)
    figures = [figure for group in groups for figure in figures_of(group, loads)]
    return finish("latency", figures, failures, asked.json)


Loads = dict[str, list[Load]]


def _measure(groups: Sequence[Group], rounds: int, seconds: int) -> tuple[Loads, list[str]]:
    """The loads of each server by its name, one for each round; and what failed."""
    names = [name for group in groups for name in group.names]
    loads: Loads = {name: [] for name in names}
    failures: list[str] = []
    for number in range(rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            if name not in loads:
                continue
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            try:
                loads[name].append(_load(named(name), seconds))
            except (CannotBuild, LoadError, OSError, WrongAnswer) as failure:
                failures.append(f"{name}: round {number + 1}: {failure}")
                # A round that it has not seen cannot be compared.
                del loads[name]
    return loads, failures


def _load(row: Server, seconds: int) -> Load:
    chosen, port, wrk = cores(), free_port(), Wrk()
    with serving(row.command_line(port), port, chosen.server, cwd=APPS) as running:
        verify(running, row.path, row.body)
        with pinned(chosen.load):
            url = running.url(row.path)
            wrk.run(url, connections=CONNECTIONS, seconds=WARM_UP)
            load = wrk.run(url, connections=CONNECTIONS, seconds=seconds, manner=Manner.PAUSES)
        verify(running, row.path, row.body)
    if load.trouble:
        raise WrongAnswer(f"errors under load: {load.trouble}")
    return load


def figures_of(group: Group, loads: Loads) -> Iterator[Figure]:
    """What the loads of a group say: each server's figures, and ours beside each peer's."""
    for name in group.names:
        if measured := loads.get(name):
            rate = statistics.median(load.requests_per_second for load in measured)
            yield Figure(f"{name}: requests/s", rate)
            for quantile, of in QUANTILES.items():
                spread = Spread.of(map(of, measured))
                # There is a round, or there would be no loads.
                assert spread is not None
                note = f"{spread.low:.0f} to {spread.high:.0f}"
                yield Figure(f"{name}: {quantile}", spread.median, "µs", note=note)
    for peer in group.peers:
        if (ours := loads.get(group.ours)) and (theirs := loads.get(peer)):
            ratios = Spread.of(a.p99_us / b.p99_us for a, b in zip(ours, theirs, strict=True))
            assert ratios is not None
            yield Figure(
                f"{group.ours} / {peer.rpartition(': ')[2]}: p99",
                ratios.median,
                "times",
                most=1.0,
                note=f"{ratios.low:.2f} to {ratios.high:.2f}",
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
