"""What idle connections cost: `run.py idle`.

10,000 keep-alive connections ask once and then stay. Their price in memory is the growth of RSS
divided by their number, taken when they are opened for the first time: before they have asked, at
once after, and when they have been idle for three seconds, which is the figure that counts. Their
price in speed is what wrk gets on 10 other connections with them and without them, the one right
after the other in several rounds, every second one in reverse order.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import process
from build import CannotBuild, native
from clients import Answer, BadAnswer, ask, connect, hang_up, request
from figures import Figure, finish
from launch import Running, WrongAnswer, free_port, pinned, raise_descriptor_limit, serving
from load import LoadError, Wrk
from machine import Cores, cores
from measure import Spread
from row import APPS, HELLO

MOST_KIB = 12.0
# From the last request to the measurement of memory.
REST_SECONDS = 3.0
LEAST_RATIO = 0.9
OTHERS = 10
# Connections from each source address 127.0.0.x: fewer than an address has ports.
PER_ADDRESS = 5000
# How long the server may take to notice that the idle ones have come, or gone, in seconds.
NOTICE_BOUND = 15.0
# For how many seconds the number of descriptors stays the same once all is closed.
SETTLED = 0.5
# Descriptors for everything but the idle connections.
SPARE = 200


@dataclass(frozen=True)
class Others:
    """What the other connections got in one load."""

    requests_per_second: float
    cpu_us: float


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py idle", description=__doc__)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", choices=("python", "native"), help="one server; default: both")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)

    figures: list[Figure] = []
    failures: list[str] = []
    idle = asked.idle
    limit = raise_descriptor_limit(idle + SPARE)
    if limit < idle + SPARE:
        failures.append(f"only {limit} descriptors are allowed (ulimit -n): {idle} need more")
        idle = limit - SPARE
    for name in (asked.only,) if asked.only else ("python", "native"):
        try:
            figures += _run(name, idle, asked.rounds, asked.seconds)
        except (BadAnswer, CannotBuild, LoadError, OSError, WrongAnswer) as failure:
            failures.append(f"{name}: {failure}")
    return finish("idle", figures, failures, asked.json)


def _run(name: str, idle: int, rounds: int, seconds: int) -> list[Figure]:
    chosen, wrk, port = cores(), Wrk(), free_port()
    command = {
        "python": lambda: [sys.executable, "oxbridge_checks.py", str(port)],
        "native": lambda: [str(native()), f"127.0.0.1:{port}"],
    }[name]()
    with serving(command, port, chosen.server, cwd=APPS) as running:
        _load(running, wrk, chosen, 1)
        _wait_until(running, lambda: process.connections(running.port) == 0)
        at_rest = _descriptors_at_rest(running)
        before = process.rss(running.pid)
        without: list[Others] = []
        among: list[Others] = []
        opened = at_once = asked = 0
        for number in range(rounds):
            print(f"{name}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            if number % 2:
                without.append(_load(running, wrk, chosen, seconds))
            with pinned(chosen.load):
                held = _open(running, idle)
                # Connected is not yet accepted.
                _wait_until(running, lambda: process.descriptors(running.pid) >= at_rest + idle)
                opened = opened or process.rss(running.pid) - before
                for connection in held:
                    _ask_hello(connection)
                at_once = at_once or process.rss(running.pid) - before
                if not asked:
                    # Idle means more than "between two requests": after a second a connection gives
                    # its buffers back.
                    time.sleep(REST_SECONDS)
                    asked = process.rss(running.pid) - before
            among.append(_load(running, wrk, chosen, seconds))
            with pinned(chosen.load):
                _check_and_close(held)
            _wait_until(running, lambda: process.connections(running.port) == 0)
            if number % 2 == 0:
                without.append(_load(running, wrk, chosen, seconds))
    return [
        Figure(
            f"{name}: RSS for each of {idle:,} idle connections",
            asked / idle / 1024,
            "KiB",
            most=MOST_KIB,
            note=(
                f"{REST_SECONDS:.0f} s after the last request; {at_once / idle / 1024:.2f} at once,"
                f" {opened / idle / 1024:.2f} before the first"
            ),
        ),
        *_ratios(name, without, among),
    ]


def _ratios(name: str, without: Sequence[Others], among: Sequence[Others]) -> list[Figure]:
    """What the others get with the idle ones divided by what they get without, round by round."""
    pairs = [*zip(among, without, strict=True)]
    speed = Spread.of(a.requests_per_second / w.requests_per_second for a, w in pairs)
    cpu = Spread.of(a.cpu_us / w.cpu_us for a, w in pairs)
    alone = Spread.of(others.requests_per_second for others in without)
    # There is at least one round.
    assert speed is not None
    assert cpu is not None
    assert alone is not None
    return [
        Figure(
            f"{name}: requests/s of {OTHERS} others, with the idle ones / without",
            speed.median,
            least=LEAST_RATIO,
            note=f"{speed.low:.2f} to {speed.high:.2f}; {alone.median:,.0f}/s without",
        ),
        Figure(
            f"{name}: CPU per request of the others, with the idle ones / without",
            cpu.median,
            note=f"{cpu.low:.2f} to {cpu.high:.2f}; a disturbed machine disturbs this one less",
        ),
    ]


def _load(running: Running, wrk: Wrk, chosen: Cores, seconds: int) -> Others:
    before = process.cpu(running.pid)
    with pinned(chosen.load):
        load = wrk.run(running.url("/"), connections=OTHERS, seconds=seconds)
    if load.trouble:
        raise WrongAnswer(f"errors under load: {load.trouble}")
    used = process.cpu(running.pid) - before
    # A load without errors has had answers.
    return Others(load.requests_per_second, 1e6 * used.total / load.requests)


def _open(running: Running, idle: int) -> list[socket.socket]:
    return [
        connect(running.address, source=f"127.0.0.{2 + number // PER_ADDRESS}")
        for number in range(idle)
    ]


def _check_and_close(held: Sequence[socket.socket]) -> None:
    """Make sure that the connections still serve, every hundredth of them, and reset all."""
    for connection in held[::100]:
        _ask_hello(connection)
    for connection in held:
        hang_up(connection)


def _ask_hello(connection: socket.socket) -> None:
    answer = ask(connection, request("GET", "/"))
    if answer != Answer(200, HELLO):
        raise BadAnswer(f"GET / on an idle connection: {answer}")


def _descriptors_at_rest(running: Running) -> int:
    """Count the descriptors once no more are closed: the system drops a connection sooner."""
    count, since = process.descriptors(running.pid), time.monotonic()
    while time.monotonic() - since < SETTLED:
        time.sleep(0.02)
        if (now := process.descriptors(running.pid)) != count:
            count, since = now, time.monotonic()
    return count


def _wait_until(running: Running, noticed: Callable[[], bool]) -> None:
    """Wait until the server has accepted, or closed, what it should."""
    deadline = time.monotonic() + NOTICE_BOUND
    while not noticed():
        if time.monotonic() > deadline:
            has = f"{process.connections(running.port)} connections"
            has += f" and {process.descriptors(running.pid)} descriptors"
            raise WrongAnswer(f"after {NOTICE_BOUND:.0f} s the server still has {has}")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
