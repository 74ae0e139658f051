"""Whether clients that vanish leave anything behind: `run.py vanish`.

Clients take server-sent events, or have messages echoed on a WebSocket, and then they are gone:
with a reset, with an orderly end that nobody announced on the WebSocket, or without a word, as a
machine that loses its power. Others stay and answer nothing, pings included. Then the app tells how
many tasks and calls it has, how many descriptors, and how much memory: no more than before the
wave, and waves must not add up.

To be gone without a word, a socket is closed in the kernel's repair mode, which takes
CAP_NET_ADMIN; where it is not granted the case is left out and named.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from clients import BadAnswer, ask, connect, hang_up, request
from figures import Figure, finish
from interfaces import OURS
from launch import Running, WrongAnswer, free_port, pinned, serving
from machine import cores
from row import APPS
from servers import named

MIB = 2**20
MOST_MIB = 2.0
# linux/tcp.h.
TCP_REPAIR = 19
# How long a server may take to notice, in seconds: its pings are set to one second.
NOTICE_BOUND = 20.0
PINGS = ("--ws-ping-interval", "1", "--ws-ping-timeout", "1")
TAKES_PINGS = ("oxbridge", "uvicorn")

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
# "hello" as a client sends it, with a mask of nothing, and as it comes back.
MESSAGE = b"\x81\x85\x00\x00\x00\x00hello"
ECHO = b"\x81\x05hello"


@dataclass(frozen=True)
class State:
    """What `/admin` of the app tells."""

    pid: int
    tasks: int
    calls: int
    descriptors: int
    rss: int

    def has_more_than(self, other: State) -> bool:
        """Whether anything that can be counted is left."""
        return (
            self.tasks > other.tasks
            or self.calls > other.calls
            or self.descriptors > other.descriptors
        )


def events(running: Running) -> socket.socket:
    """A client of server-sent events that has had the first one."""
    connection = connect(running.address)
    connection.sendall(request("GET", "/events"))
    _receive_until(connection, b"data: x\n\n")
    return connection


def echo(running: Running) -> socket.socket:
    """A WebSocket that has had a message echoed."""
    connection = connect(running.address)
    connection.sendall(HANDSHAKE)
    _receive_until(connection, b"\r\n\r\n")
    connection.sendall(MESSAGE)
    _receive_until(connection, ECHO)
    return connection


def end(connection: socket.socket) -> None:
    """End in order, as far as TCP goes."""
    # What was received and not read would make it a reset.
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        pass
    connection.close()


def drop(connection: socket.socket) -> None:
    """Be gone, and send nothing. Raises PermissionError without CAP_NET_ADMIN."""
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    connection.close()


def stay(connection: socket.socket) -> None:
    """Neither read nor answer; the kernel still acknowledges what comes."""


CLIENTS: dict[str, Callable[[Running], socket.socket]] = {"events": events, "WebSocket": echo}
WAYS: dict[str, Callable[[socket.socket], None]] = {
    "reset": hang_up,
    "end": end,
    "silence": drop,
    "no answer": stay,
}


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py vanish", description=__doc__)
    parser.add_argument("--server", default=OURS, help=f"as the rows call it; default: {OURS}")
    parser.add_argument("--clients", type=int, default=200, help="in a wave; default: 200")
    parser.add_argument("--waves", type=int, default=5, help="after the first; default: 5")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)

    figures: list[Figure] = []
    failures: list[str] = []
    for client in CLIENTS:
        for way in WAYS:
            # A client of events that reads nothing is a slow one, and may stay.
            if (client, way) == ("events", "no answer"):
                continue
            try:
                figures += _run(asked.server, client, way, asked.clients, asked.waves)
            except PermissionError:
                print(f"{client}, {way}: left out, CAP_NET_ADMIN is missing", file=sys.stderr)
            except (BadAnswer, OSError, WrongAnswer) as failure:
                failures.append(f"{client}, {way}: {failure}")
    return finish("vanish", figures, failures, asked.json)


def _run(server: str, client: str, way: str, number: int, waves: int) -> list[Figure]:
    row = named(f"WebSocket echo: {server}")
    chosen, port = cores(), free_port()
    command = row.command_line(port) + [*(PINGS if server in TAKES_PINGS else ())]
    # Tracebacks of clients that have gone are printed as in life, and kept by nobody.
    with (
        serving(command, port, chosen.server, cwd=APPS, keep_output=False) as running,
        pinned(chosen.load),
    ):
        print(f"{client}, {way}", file=sys.stderr, flush=True)
        before = _state(running)
        # The first wave makes what stays for good: buffers, caches, imports.
        first = _wave(running, client, way, number, before)
        last = first
        came = number
        for _ in range(waves):
            # What is left after one wave is told at once: each wave waits for it in full.
            if last.has_more_than(before):
                break
            last = _wave(running, client, way, number, before)
            came += number
    name = f"{client}, {way}, {came:,} clients"
    return [
        Figure(f"{name}: tasks left", last.tasks - before.tasks, most=0),
        Figure(f"{name}: calls of the app left", last.calls - before.calls, most=0),
        Figure(f"{name}: descriptors left", last.descriptors - before.descriptors, most=0),
        Figure(
            f"{name}: growth after the first {number:,}",
            (last.rss - first.rss) / MIB,
            "MiB",
            most=MOST_MIB,
            note=f"{last.rss / MIB:.1f} at the end",
        ),
    ]


def _wave(running: Running, client: str, way: str, number: int, before: State) -> State:
    """Let clients come and vanish; what is left once the server had time to notice."""
    connections = [CLIENTS[client](running) for _ in range(number)]
    during = _state(running)
    if during.calls < before.calls + number:
        raise WrongAnswer(f"{number} clients are there, and {during.calls} calls of the app")
    try:
        for connection in connections:
            WAYS[way](connection)
        deadline = time.monotonic() + NOTICE_BOUND
        while (state := _state(running)).has_more_than(before) and time.monotonic() < deadline:
            time.sleep(0.05)
        return state
    finally:
        for connection in connections:
            connection.close()


def _state(running: Running) -> State:
    """Ask the app, on a connection that is gone when the next one is made."""
    connection = connect(running.address)
    try:
        answer = ask(connection, request("GET", "/admin"))
    finally:
        hang_up(connection)
    if answer.status != 200:
        raise BadAnswer(f"GET /admin: {answer}")
    return State(**json.loads(answer.body))


def _receive_until(connection: socket.socket, wanted: bytes) -> None:
    """Read until these bytes have come. Raises BadAnswer if the connection ends before."""
    raw = b""
    while wanted not in raw:
        part = connection.recv(65536)
        if not part:
            raise BadAnswer(f"closed after {raw[:200]!r}")
        raw += part


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
