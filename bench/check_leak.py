"""Whether requests leave anything behind: `run.py leak`.

Two million requests of every kind that a handler meets: hello, path values, 10 KiB bodies in, out
and both, handlers that fail, and clients that hang up half-way, through the head, the body or the
answer. They go to Python handlers, and then to handlers in C, some of which run inside the event
loop, and some answer from another thread. Every answer is checked whole. Resident memory after the
first 200,000, when all pools and caches have their size, is compared with resident memory at the
end; and no exchange may be alive then.
"""

from __future__ import annotations

import argparse
import itertools
import random
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import process
from build import CannotBuild, c_checks
from clients import Answer, BadAnswer, ask, connect, hang_up, receive, request
from figures import Figure, finish
from launch import Running, WrongAnswer, free_port, pinned, serving
from machine import cores
from row import APPS, HELLO

CONNECTIONS = 50
TEN_KIB = bytes(range(256)) * 40
MOST_MIB = 2.0
MIB = 2**20
SERVERS = ("python", "c")
# How long the last handlers may take to notice that their clients have gone, in seconds.
QUIET_BOUND = 15.0


@dataclass(frozen=True)
class Kind:
    """A request and the answer that it must get; None where the client hangs up instead.

    `leave` then says how much of the answer it takes before it goes.
    """

    name: str
    share: int
    send: bytes
    answer: Answer | None = None
    leave: int = 0


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py leak", description=__doc__)
    parser.add_argument("--requests", type=int, default=2_000_000)
    parser.add_argument(
        "--first", type=int, default=200_000, help="compare memory with after these"
    )
    parser.add_argument("--only", choices=SERVERS, help="handlers of one kind; default: both")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)

    chosen = cores()
    figures: list[Figure] = []
    failures: list[str] = []
    for name in (asked.only,) if asked.only else SERVERS:
        port = free_port()
        try:
            # Tracebacks of a hundred thousand exceptions: printed as in life, kept by nobody.
            with (
                serving(
                    _command(name, port), port, chosen.server, cwd=APPS, keep_output=False
                ) as running,
                pinned(chosen.load),
            ):
                figures += _run(name, running, asked.requests, asked.first)
        except (BadAnswer, CannotBuild, OSError, WrongAnswer) as failure:
            failures.append(f"{name}: {failure}")
    return finish("leak", figures, failures, asked.json)


def _command(name: str, port: int) -> list[str]:
    if name == "c":
        return [str(c_checks()), f"127.0.0.1:{port}"]
    return [sys.executable, "oxbridge_checks.py", str(port)]


def _run(name: str, running: Running, requests: int, first: int) -> list[Figure]:
    """Send all requests, and take the memory on the way."""
    counts: dict[str, int] = {}
    taken: list[tuple[int, int]] = []
    connections = [connect(running.address) for _ in range(CONNECTIONS)]
    kinds = _kinds_in_order(name)
    began = time.monotonic()
    done = 0
    live = 0
    while done < requests:
        until = min(done + first, requests)
        while done < until:
            batch = [*itertools.islice(kinds, min(CONNECTIONS, until - done))]
            _round(running, connections, batch)
            done += len(batch)
            for kind in batch:
                counts[kind.name] = counts.get(kind.name, 0) + 1
        live = _live_when_quiet(running)
        taken.append((done, process.rss(running.pid)))
        print(
            f"{name}: {done:>9,} requests after {time.monotonic() - began:5.1f} s: "
            f"RSS {taken[-1][1] / MIB:.2f} MiB, {live} exchanges alive",
            file=sys.stderr,
            flush=True,
        )
    mixed = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))
    seconds = time.monotonic() - began
    return [
        Figure(f"{name}: requests", done, note=f"{mixed}; {done / seconds:,.0f}/s"),
        Figure(f"{name}: RSS after the first {taken[0][0]:,}", taken[0][1] / MIB, "MiB"),
        Figure(f"{name}: RSS at the end", taken[-1][1] / MIB, "MiB"),
        Figure(f"{name}: growth between", (taken[-1][1] - taken[0][1]) / MIB, "MiB", most=MOST_MIB),
        Figure(f"{name}: exchanges alive at the end", live, most=0),
    ]


def _round(running: Running, connections: list[socket.socket], batch: list[Kind]) -> None:
    """Send one request on each connection, then take the answers in the same order.

    The server works while we still send, and while we check: neither side waits for long.
    """
    under_way = []
    for connection, kind in zip(connections, batch, strict=False):
        if kind.answer is None:
            _leave(running, kind)
        else:
            connection.sendall(kind.send)
            under_way.append((connection, kind))
    for connection, kind in under_way:
        answer = receive(connection)
        if answer != kind.answer:
            raise BadAnswer(f"{kind.name}: {answer.status}, {answer.body[:200]!r}")


def _leave(running: Running, kind: Kind) -> None:
    """Begin a request on a connection of its own, and hang up on it."""
    connection = connect(running.address)
    connection.sendall(kind.send)
    left = kind.leave
    while left > 0 and (data := connection.recv(left)):
        left -= len(data)
    hang_up(connection)


def _kinds_in_order(name: str) -> Iterator[Kind]:
    """Yield requests forever, in the shares of the table and in the same order each run."""
    order = [kind for kind in _kinds(name) for _ in range(kind.share)]
    # 37 hundreds, so that the order repeats only with other requests on other connections.
    hundreds = [*order] * 37
    random.Random(1).shuffle(hundreds)
    return itertools.cycle(hundreds)


def _kinds(server: str) -> list[Kind]:
    ten_in = request("POST", "/length", TEN_KIB)
    names = ["world", "a", "x" * 200, "%C3%A9t%C3%A9", "two%20words"]
    plain = ["world", "a", "x" * 200, "\xe9t\xe9", "two words"]
    hello = {
        "python": [Kind("hello", 46, request("GET", "/"), Answer(200, HELLO))],
        "c": [
            Kind("hello", 26, request("GET", "/"), Answer(200, HELLO)),
            Kind("hello inline", 10, request("GET", "/inline"), Answer(200, HELLO)),
            Kind("hello from the queue", 10, request("GET", "/queue"), Answer(200, HELLO)),
        ],
    }
    return [
        *hello[server],
        *(
            Kind("path value", 4, request("GET", f"/hello/{sent}"), _ok(f"Hello, {meant}!\n"))
            for sent, meant in zip(names, plain, strict=True)
        ),
        Kind("10 KiB in", 12, ten_in, _ok(str(len(TEN_KIB)))),
        Kind("10 KiB out", 10, request("GET", "/ten"), Answer(200, TEN_KIB)),
        Kind("10 KiB both", 3, request("POST", "/echo", TEN_KIB), Answer(200, TEN_KIB)),
        Kind("failure", 5, request("GET", "/fail"), Answer(500, b"Internal Server Error\n")),
        Kind("gone in the head", 1, ten_in[:20]),
        Kind("gone in the body", 1, ten_in[:5000]),
        Kind("gone before the answer", 1, request("GET", "/ten")),
        Kind("gone in the answer", 1, request("GET", "/download/16"), leave=30_000),
    ]


def _ok(text: str) -> Answer:
    return Answer(200, text.encode())


def _live_when_quiet(running: Running) -> int:
    """Exchanges alive once those whose clients have gone had time to notice."""
    deadline = time.monotonic() + QUIET_BOUND
    connection = connect(running.address)
    try:
        while True:
            live = int(ask(connection, request("GET", "/live")).body)
            if live == 0 or time.monotonic() > deadline:
                return live
            time.sleep(0.05)
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
