"""Whether workers can be replaced under load: `run.py rolling`.

Clients ask without a pause, some on one connection and some on a new one for each request, and
every answer names the process that made it. First all workers are replaced with SIGHUP, several
times: no request may fail. Then a worker is killed: what fails must have been that worker's, a
request that was under way or a connection that it held, and its place is filled again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import process
from clients import BadAnswer, connect, request
from figures import Figure, finish
from interfaces import OURS
from launch import Running, WrongAnswer, free_port, pinned, serving
from machine import cores
from row import APPS
from servers import named

KEEPING = 8
"""Clients that keep their connection."""

RENEWING = 4
"""Clients that make a new one for each request."""

# How long workers may take to be replaced, and a client to get an answer, in seconds.
REPLACE_BOUND = 60.0
ANSWER_BOUND = 20.0


@dataclass(frozen=True)
class Failure:
    """A request without its answer. `worker` is whose the connection is known to be."""

    what: str
    worker: int | None
    began: float


@dataclass
class Client:
    """Asks until it is told to stop. One thread."""

    address: tuple[str, int]
    path: str
    keeps: bool
    answered: int = 0
    workers: set[int] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Ask, one request after the other."""
        connection: socket.socket | None = None
        worker: int | None = None
        while not stop.is_set():
            began = time.monotonic()
            try:
                connection = connection or connect(self.address, timeout=ANSWER_BOUND)
                worker, closes = _ask(connection, self.path, self.keeps)
            except (BadAnswer, OSError) as failure:
                self.failures.append(Failure(f"{failure}", worker, began))
                closes = True
            else:
                self.answered += 1
                self.workers.add(worker)
            if closes:
                if connection is not None:
                    connection.close()
                connection = worker = None
        if connection is not None:
            connection.close()


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py rolling", description=__doc__)
    parser.add_argument("--server", default=OURS, help=f"as the rows call it; default: {OURS}")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--times", type=int, default=3, help="of SIGHUP, and of kills; default: 3")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)

    figures: list[Figure] = []
    failures: list[str] = []
    for name, run in (("SIGHUP", _roll), ("killed", _kill)):
        try:
            with _serving(asked.server, asked.workers) as running:
                figures += run(name, running, asked.workers, asked.times)
        except (BadAnswer, OSError, WrongAnswer) as failure:
            failures.append(f"{name}: {failure}")
    return finish("rolling", figures, failures, asked.json)


@contextlib.contextmanager
def _serving(server: str, workers: int) -> Iterator[Running]:
    row = named(f"ASGI hello: {server}")
    chosen, port = cores(), free_port()
    command = row.command_line(port, workers)
    with serving(command, port, chosen.server, cwd=APPS) as running, pinned(chosen.load):
        yield running


@contextlib.contextmanager
def _asking(running: Running) -> Iterator[list[Client]]:
    """Have all clients ask meanwhile; afterwards they have ended."""
    # `/slow` waits before it answers, so that there always are requests under way.
    paths = ("/pid", "/slow")
    clients = [Client(running.address, paths[n % 2], keeps=True) for n in range(KEEPING)]
    clients += [Client(running.address, paths[n % 2], keeps=False) for n in range(RENEWING)]
    stop = threading.Event()
    threads = [threading.Thread(target=client.run, args=(stop,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _roll(name: str, running: Running, workers: int, times: int) -> list[Figure]:
    replaced = 0
    with _asking(running) as clients:
        _wait(partial(_answering, clients, workers), "not every worker answers")
        for number in range(times):
            print(f"{name}: {number + 1} of {times}", file=sys.stderr, flush=True)
            before = _alive(_seen(clients))
            os.kill(running.pid, signal.SIGHUP)
            _wait(partial(_ended, before), "old workers stay")
            _wait(partial(_answering, clients, workers), "new workers do not answer")
            replaced += len(before)
    lost = [failure for client in clients for failure in client.failures]
    return [
        Figure(f"{name}: requests answered", sum(client.answered for client in clients)),
        Figure(f"{name}: workers replaced", replaced, least=workers * times),
        Figure(f"{name}: failed requests", len(lost), most=0, note=_kinds(lost)),
    ]


def _kill(name: str, running: Running, workers: int, times: int) -> list[Figure]:
    lost: list[Failure] = []
    elsewhere: list[Failure] = []
    answered = 0
    for number in range(times):
        print(f"{name}: {number + 1} of {times}", file=sys.stderr, flush=True)
        with _asking(running) as clients:
            _wait(partial(_answering, clients, workers), "not every worker answers")
            victim = min(_alive(_seen(clients)))
            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            _wait(partial(_ended, {victim}), "it stays")
            _wait(partial(_answering, clients, workers), "its place is not filled")
        failed = [failure for client in clients for failure in client.failures]
        lost += failed
        # Nobody knows whose a connection is that has never been answered; it may be the killed
        # worker's if it was made before.
        elsewhere += [
            failure
            for failure in failed
            if failure.worker not in (None, victim)
            or (failure.worker is None and failure.began > killed)
        ]
        answered += sum(client.answered for client in clients)
    most = (KEEPING + RENEWING) * times
    return [
        Figure(f"{name}: requests answered", answered),
        Figure(f"{name}: failed requests", len(lost), most=most, note=_kinds(lost)),
        Figure(
            f"{name}: failed requests that were not the killed worker's",
            len(elsewhere),
            most=0,
            note=_kinds(elsewhere),
        ),
    ]


def _ask(connection: socket.socket, path: str, keeps: bool) -> tuple[int, bool]:
    """The process that answered, and whether the connection ends. Raises BadAnswer, OSError."""
    asked = request("GET", path)
    if not keeps:
        asked = asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    connection.sendall(asked)
    raw = b""
    while True:
        part = connection.recv(65536)
        if not part:
            # Where it has served before: a server that closes without saying so.
            raise BadAnswer("closed in an answer" if raw else "closed without an answer")
        raw += part
        head, found, body = raw.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0].strip()
        if found and len(body) >= int(length or b"0"):
            break
    if not head.startswith(b"HTTP/1.1 200"):
        raise BadAnswer(head.partition(b"\r\n")[0].decode("latin-1"))
    return int(body), not keeps or b"connection: close" in head.lower()


def _seen(clients: list[Client]) -> set[int]:
    return {worker for client in clients for worker in [*client.workers]}


def _alive(workers: set[int]) -> set[int]:
    """Those that have not ended; one that has and was not waited for holds no descriptor."""
    return {worker for worker in workers if process.descriptors(worker)}


def _answering(clients: list[Client], workers: int) -> bool:
    """Whether so many workers that are there now have answered."""
    return len(_alive(_seen(clients))) >= workers


def _ended(workers: set[int]) -> bool:
    """Whether all of them have."""
    return not _alive(workers)


def _wait(true: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + REPLACE_BOUND
    while not true():
        if time.monotonic() > deadline:
            raise WrongAnswer(f"{otherwise} after {REPLACE_BOUND:.0f} s")
        time.sleep(0.02)


def _kinds(failures: list[Failure]) -> str:
    """What happened how often."""
    count: dict[str, int] = {}
    for failure in failures:
        count[failure.what] = count.get(failure.what, 0) + 1
    return ", ".join(f"{number} {what}" for what, number in count.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
