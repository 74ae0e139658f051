"""Whether handlers and clients that wait hold up anybody else: `run.py stall`.

60 requests keep their handlers waiting for half a second: because the handler sleeps, or because
the client sends its body one byte at a time. Meanwhile 1,000 requests go to another route, each at
its planned moment, whether or not the earlier ones have been answered; their latency is counted
from that moment, so a server that stalls cannot hide it by slowing its clients down.
"""

from __future__ import annotations

import argparse
import select
import socket
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from build import CannotBuild, native
from clients import Answer, BadAnswer, Reader, ask, connect, request
from figures import Figure, finish, percentile
from launch import Running, WrongAnswer, free_port, pinned, serving
from machine import Cores, cores
from row import APPS, HELLO

# The 1,000 requests are spread over this time, so that all fall into the half second of waiting.
WINDOW = 0.45
# A trickled body: one byte each interval.
BODY = 100
INTERVAL = 0.005
FAST_CONNECTIONS = 10
BOUND = 30.0
P99_MS = 25.0


@dataclass(frozen=True)
class Case:
    """What the slow requests are, and what they must be answered with."""

    name: str
    # Called only for a case that runs: it may have to build the server first.
    command: Callable[[], Sequence[str]]
    # None: no slow requests, for comparison.
    head: bytes | None = None
    answer: bytes = b""
    trickle: bool = False


@dataclass
class Outcome:
    """What happened to the requests of one repeat. Latencies in seconds."""

    fast: list[float] = field(default_factory=list)
    slow: list[float] = field(default_factory=list)
    overlapped: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass
class Client:
    """One connection, and the request under way on it."""

    connection: socket.socket
    slow: bool
    began: float = 0.0
    reader: Reader = field(default_factory=Reader)


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py stall", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slow", type=int, default=60, help="requests that wait; default: 60")
    parser.add_argument("--requests", type=int, default=1000, help="to the other route")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their name")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)

    chosen = cores()
    figures: list[Figure] = []
    failures: list[str] = []
    for case in cases():
        if asked.only not in case.name:
            continue
        try:
            outcomes = _run(case, chosen, asked)
        except (BadAnswer, CannotBuild, OSError, WrongAnswer) as failure:
            failures.append(f"{case.name}: {failure}")
            continue
        failures += [f"{case.name}: {f}" for outcome in outcomes for f in outcome.failures]
        figures += _figures(case, outcomes, asked.slow)
    return finish("stall", figures, failures, asked.json)


def cases() -> list[Case]:
    """List the cases, each kind of server first without anybody slow."""

    def python() -> Sequence[str]:
        return [sys.executable, "oxbridge_checks.py", "{port}"]

    def rust() -> Sequence[str]:
        return [str(native()), "127.0.0.1:{port}"]

    sleep = request("GET", "/sleep")
    trickled = f"POST /length HTTP/1.1\r\nHost: bench\r\nContent-Length: {BODY}\r\n\r\n".encode()
    length = str(BODY).encode()
    return [
        Case("python, nobody slow", python),
        Case("python, handlers sleep", python, sleep, b"slept\n"),
        Case("python, bodies trickle", python, trickled, length, trickle=True),
        Case("native, nobody slow", rust),
        Case("native, handlers sleep", rust, sleep, b"slept\n"),
        Case("native, bodies trickle", rust, trickled, length, trickle=True),
    ]


def _run(case: Case, chosen: Cores, asked: argparse.Namespace) -> list[Outcome]:
    port = free_port()
    command = [part.format(port=port) for part in case.command()]
    print(f"{case.name}, {asked.repeats} times", file=sys.stderr, flush=True)
    with serving(command, port, chosen.server, cwd=APPS) as running, pinned(chosen.load):
        return [_once(case, running, asked.slow, asked.requests) for _ in range(asked.repeats)]


def _once(case: Case, running: Running, slow: int, requests: int) -> Outcome:
    """Let the slow requests begin, send the others at their moments, wait for all answers."""
    outcome = Outcome()
    clients: dict[int, Client] = {}
    epoll = select.epoll()
    for number in range(FAST_CONNECTIONS + (slow if case.head else 0)):
        connection = connect(running.address)
        # Once before it counts: the server has accepted the connection, and knows its threads.
        if ask(connection, request("GET", "/")) != Answer(200, HELLO):
            raise WrongAnswer("GET / is not answered as it must be")
        if case.trickle and ask(connection, request("POST", "/length", b"x")) != Answer(200, b"1"):
            raise WrongAnswer("POST /length does not answer with the body's length")
        connection.setblocking(False)
        clients[connection.fileno()] = Client(connection, slow=number >= FAST_CONNECTIONS)
        epoll.register(connection.fileno(), select.EPOLLIN)
    try:
        _exchange(case, clients, epoll, requests, outcome)
    finally:
        epoll.close()
        for client in clients.values():
            client.connection.close()
    return outcome


def _exchange(
    case: Case, clients: dict[int, Client], epoll: select.epoll, requests: int, outcome: Outcome
) -> None:
    slow = [client for client in clients.values() if client.slow]
    free = deque(client for client in clients.values() if not client.slow)
    hello = request("GET", "/")
    start = time.perf_counter()
    for client in slow:
        client.began = start
        client.connection.send(case.head or b"")
    planned = deque(start + number * WINDOW / requests for number in range(requests))
    bytes_due = deque(start + (n + 1) * INTERVAL for n in range(BODY if case.trickle else 0))
    waiting = requests + len(slow)

    while waiting:
        now = time.perf_counter()
        if now > start + BOUND:
            outcome.failures.append(f"{waiting} requests unanswered after {BOUND:.0f} s")
            return
        while bytes_due and bytes_due[0] <= now:
            bytes_due.popleft()
            for client in slow:
                client.connection.send(b"x")
        while planned and planned[0] <= now and free:
            client = free.popleft()
            client.began = planned.popleft()
            client.connection.send(hello)
            outcome.overlapped += bool(slow) and not outcome.slow
        # Without a free connection the next request waits for an answer, and its latency grows.
        due = [times[0] for times in (planned if free else (), bytes_due) if times]
        for descriptor, _ in epoll.poll(max(min(due) - time.perf_counter(), 0) if due else 1.0):
            client = clients[descriptor]
            answer = client.reader.feed(client.connection.recv(65536))
            if answer is None:
                continue
            waiting -= 1
            taken = time.perf_counter() - client.began
            (outcome.slow if client.slow else outcome.fast).append(taken)
            if answer != Answer(200, case.answer if client.slow else HELLO):
                outcome.failures.append(f"{'slow' if client.slow else 'other'}: {answer}")
            if not client.slow:
                free.append(client)


def _figures(case: Case, outcomes: list[Outcome], slow: int) -> list[Figure]:
    p99s = [1e3 * percentile(outcome.fast, 0.99) for outcome in outcomes if outcome.fast]
    if not p99s:
        return []
    worst = max(max(outcome.fast) for outcome in outcomes)
    found = [
        Figure(
            f"{case.name}: p99 of the others",
            statistics.median(p99s),
            "ms",
            most=P99_MS if case.head else None,
            note=f"of {len(p99s)} repeats {min(p99s):.2f} to {max(p99s):.2f}; "
            f"longest of all {1e3 * worst:.1f}",
        )
    ]
    if case.head:
        last = max(max(outcome.slow, default=0.0) for outcome in outcomes)
        sent = min(outcome.overlapped for outcome in outcomes)
        found.append(
            Figure(
                f"{case.name}: the {slow} slow ones took at most",
                last,
                "s",
                note=f"in each repeat at least {sent} others were sent while all of them waited",
            )
        )
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
