"""Python inside an axum program beside the program's own handlers: `run.py embed`.

The example of the crate oxbridge-embed answers `/rust` in Rust and `/python` by a Python function.
wrk has 12 threads and 400 connections, and shares the machine's cores with the program, as it did
where Python was put inside a Go program first; then 10 connections. The two routes take turns,
round by round.

Then 100 connections ask for answers that take a tenth of a second in Python (`X-Sleep: 0.1`). Its
threads are the only limit there is, and `/rust` is asked meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import dataclass, field

import process
from build import CannotBuild, embed
from clients import BadAnswer
from figures import Figure, finish
from launch import Running, WrongAnswer, free_port, pinned, serving
from load import Load, LoadError, Wrk
from machine import cores
from measure import WARM_UP, Spread
from row import APPS

ROUTES = ("/rust", "/python")
# Threads and connections of wrk.
LOADS = ((12, 400), (10, 10))
RATIO = 0.75
SLEEPERS = 100
SLEEP = 0.1
# Python's threads, as `Builder::threads` has it by default.
POOL = 200
# How much of what the pool allows must be reached; the rest is the way there and back.
POOL_SHARE = 0.8
P99 = 2.0


@dataclass
class Measured:
    """What the rounds of one route and one load gave."""

    speed: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py embed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    figures: list[Figure] = []
    failures: list[str] = []
    try:
        figures = _check(asked.rounds, asked.seconds)
    except (BadAnswer, CannotBuild, LoadError, OSError, WrongAnswer) as failure:
        failures.append(str(failure))
    return finish("embed", figures, failures, asked.json)


def _check(rounds: int, seconds: int) -> list[Figure]:
    chosen, port, wrk = cores(), free_port(), Wrk()
    both = (chosen.server, chosen.load)
    command = ["env", f"PORT={port}", str(embed())]
    figures: list[Figure] = []
    with serving(command, port, *both, cwd=APPS) as running, pinned(*both):
        for threads, connections in LOADS:
            figures += _ratio(running, wrk, threads, connections, rounds, seconds)
        figures += _sleepers(running, wrk, rounds, seconds)
    return figures


def _ratio(
    running: Running, wrk: Wrk, threads: int, connections: int, rounds: int, seconds: int
) -> list[Figure]:
    """Ask both routes in turns."""
    measured = {route: Measured() for route in ROUTES}
    for number in range(rounds):
        print(f"{connections} connections: round {number + 1} of {rounds}", file=sys.stderr)
        for route in ROUTES:
            url = running.url(route)
            wrk.run(url, connections=connections, seconds=WARM_UP, threads=threads)
            before = process.cpu(running.pid)
            load = wrk.run(url, connections=connections, seconds=seconds, threads=threads)
            used = process.cpu(running.pid) - before
            _must_be_good(route, load)
            measured[route].speed.append(load.requests_per_second)
            measured[route].cpu.append(1e6 * used.total / load.requests)
    figures = []
    for route in ROUTES:
        speed, cpu = Spread.of(measured[route].speed), Spread.of(measured[route].cpu)
        # There is at least one round.
        assert speed is not None
        assert cpu is not None
        name = f"{route}, {connections} connections"
        note = f"{speed.low:,.0f} to {speed.high:,.0f}"
        figures.append(Figure(f"{name}: requests/s", speed.median, note=note))
        figures.append(Figure(f"{name}: CPU per request", cpu.median, "µs"))
    rust, python = (measured[route].speed for route in ROUTES)
    ratio = Spread.of(ours / native for native, ours in zip(rust, python, strict=True))
    assert ratio is not None
    figures.append(
        Figure(
            f"/python of /rust, {connections} connections",
            ratio.median,
            least=RATIO,
            note=f"{ratio.low:.2f} to {ratio.high:.2f}",
        )
    )
    return figures


def _sleepers(running: Running, wrk: Wrk, rounds: int, seconds: int) -> list[Figure]:
    """Ask `/rust` alone, and then while Python's handlers sleep."""
    url, rate = running.url("/rust"), min(SLEEPERS, POOL) / SLEEP
    alone: list[float] = []
    beside: list[float] = []
    slept: list[float] = []
    for number in range(rounds):
        print(f"sleepers: round {number + 1} of {rounds}", file=sys.stderr)
        load = wrk.run(url, connections=10, seconds=seconds)
        _must_be_good("/rust", load)
        alone.append(load.p99_us)
        sleeping = _Sleeping(running, wrk, seconds + 2 * WARM_UP)
        sleeping.start()
        # They are all asleep when the other load begins, and until it ends.
        wrk.run(url, connections=10, seconds=WARM_UP)
        load = wrk.run(url, connections=10, seconds=seconds)
        sleeping.join()
        _must_be_good("/rust", load)
        beside.append(load.p99_us)
        slept.append(sleeping.speed())
    ratios = Spread.of(
        with_them / without for with_them, without in zip(beside, alone, strict=True)
    )
    speeds, p99 = Spread.of(slept), Spread.of(alone)
    assert ratios is not None
    assert speeds is not None
    assert p99 is not None
    return [
        Figure("/rust alone: p99", p99.median, "µs"),
        Figure(
            f"/rust beside {SLEEPERS} sleepers in Python: p99 of its own",
            ratios.median,
            most=P99,
            note=f"{ratios.low:.2f} to {ratios.high:.2f}",
        ),
        Figure(
            f"{SLEEPERS} connections that ask for {SLEEP} s in Python: requests/s",
            speeds.median,
            least=POOL_SHARE * rate,
            note=f"{POOL} threads allow {rate:,.0f}",
        ),
    ]


class _Sleeping(threading.Thread):
    """The load of those who ask for sleep."""

    def __init__(self, running: Running, wrk: Wrk, seconds: int) -> None:
        super().__init__()
        self._url = running.url("/python")
        self._wrk = wrk
        self._seconds = seconds
        self._load: Load | None = None

    def run(self) -> None:
        """Ask."""
        self._load = self._wrk.run(
            self._url, connections=SLEEPERS, seconds=self._seconds, header=f"X-Sleep: {SLEEP}"
        )

    def speed(self) -> float:
        """Requests per second; raises WrongAnswer if something went wrong."""
        if self._load is None:
            raise WrongAnswer("the sleepers did not run")
        _must_be_good("/python", self._load)
        return self._load.requests_per_second


def _must_be_good(route: str, load: Load) -> None:
    if load.trouble or not load.requests:
        raise WrongAnswer(f"{route}: {load.trouble or 'no request was answered'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
