"""Instructions of one request, counted by valgrind: the same whatever else the machine does.

A server runs under callgrind, which counts nothing at first. One connection asks, the next time
when the answer has come; after some requests counting begins, and ends after some more. What counts
is the thread that works most: watchdogs and the interpreter's own do as much as time lets them.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training_clients import Http1, request

import programs
from serving import free_port

DEADLINE = 120.0
"""How long a server may take under valgrind to begin or to end, in seconds."""
WARM_UP = 30
COUNTED = 200


class CannotCount(Exception):
    """The server or valgrind did not do what it must."""


@dataclass(frozen=True)
class Server:
    """A server under valgrind."""

    port: int
    pid: int
    clients: list[Http1] = field(default_factory=list)

    def connect(self) -> Http1:
        """Connect, until the server ends."""
        self.clients.append(Http1(self.port))
        return self.clients[-1]

    def instrument(self, on: bool) -> None:
        """Begin or end counting."""
        control = programs.find("valgrind")
        assert control is not None
        command = [str(Path(control).with_name("callgrind_control"))]
        command += [f"--instr={'on' if on else 'off'}", str(self.pid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise CannotCount(f"{command}: {done.stdout}{done.stderr}")


Ask = Callable[[int], None]
"""Asks so many times, one after the other."""


def requests(server: Server, target: str = "/", tls: ssl.SSLContext | None = None) -> Ask:
    """Ask by HTTP/1.1 on one connection."""
    client = server.connect()
    if tls is not None:
        client.socket = tls.wrap_socket(client.socket, server_hostname="localhost")
    return _again_and_again(client, request(target), client.receive)


def messages(server: Server) -> Ask:
    """Have messages echoed on one WebSocket."""
    client = server.connect()
    client.send(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    client.receive()
    # Masked with zeros: "hello, web socket".
    text = b"hello, web socket"
    frame = bytes([0x81, 0x80 | len(text)]) + bytes(4) + text

    return _again_and_again(client, frame, client.frame)


def _again_and_again(client: Http1, asked: bytes, receive: Callable[[], object]) -> Ask:
    def ask(count: int) -> None:
        for _ in range(count):
            client.send(asked)
            receive()

    return ask


def streams(server: Server) -> Ask:
    """Ask by HTTP/2 on one connection, a stream after the other."""
    client = server.connect()
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    streams = iter(range(1, 1 << 31, 2))
    # HPACK (RFC 7541): GET, http and / from the static table, the authority as a literal.
    block = b"\x82\x86\x84\x01\x09127.0.0.1"

    def ask(count: int) -> None:
        for _ in range(count):
            head = len(block).to_bytes(3) + bytes([1, 5]) + next(streams).to_bytes(4)
            client.send(head + block)
            ended = False
            while not ended:
                frame = client.exactly(9)
                client.exactly(int.from_bytes(frame[:3]))
                if frame[3] in (3, 7):
                    raise CannotCount(f"HTTP/2 was refused: frame {frame!r}")
                if frame[3] == 4 and not frame[4] & 1:
                    client.send(bytes([0, 0, 0, 4, 1, 0, 0, 0, 0]))
                ended = frame[3] in (0, 1) and bool(frame[4] & 1)

    return ask


@contextlib.contextmanager
def valgrind(
    command: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[tuple[Server, Path]]:
    """Run a server, with `{port}` in its command or its settings, under callgrind.

    Gives it, and where counts go.
    """
    found = programs.find("valgrind")
    assert found is not None
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts"
        options = ["--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes"]
        options += [f"--callgrind-out-file={counts}"]
        arguments = [str(part).format(port=port) for part in command]
        output = Path(folder) / "output"
        with output.open("wb") as out:
            process = subprocess.Popen(
                [found, *options, *arguments],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # Where objects are, and so how dictionaries fall out, is the same on every run.
                env={**os.environ, "PYTHONHASHSEED": "0"}
                | {name: value.format(port=port) for name, value in (env or {}).items()},
            )
        server = Server(port, process.pid)
        try:
            _await(process, port, output)
            yield server, counts
        finally:
            for client in server.clients:
                client.close()
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    end = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise CannotCount(f"the server does not listen: {output.read_text('utf-8', 'replace')}")


def count(
    command: Sequence[str | Path],
    ask: Callable[[Server], Ask],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    threads: int | None = 1,
) -> int:
    """Count the instructions of one request, of the `threads` that work most; None for all.

    All where several share the work: how much each has of it is up to the system.
    """
    with valgrind(command, cwd, env) as (server, counts):
        asker = ask(server)
        asker(WARM_UP)
        server.instrument(True)
        asker(COUNTED)
        server.instrument(False)
        os.kill(server.pid, signal.SIGTERM)
        end = time.monotonic() + DEADLINE
        while not list(counts.parent.glob("counts-*")):
            if time.monotonic() > end:
                raise CannotCount("valgrind wrote no counts")
            time.sleep(0.1)
        # Each thread's file is written whole, but not all of them at once.
        time.sleep(0.5)
        return _most(counts, threads) // COUNTED


def _most(counts: Path, threads: int | None) -> int:
    found = [
        int(total)
        for file in counts.parent.glob(f"{counts.name}-*")
        for total in re.findall(r"^totals: (\d+)$", file.read_text("utf-8"), re.MULTILINE)
    ]
    if not found or max(found) == 0:
        raise CannotCount(f"nothing was counted: {found}")
    return sum(found if threads is None else sorted(found)[-threads:])


def interpreter() -> str:
    """Which Python runs the paths in Python, as budgets name it."""
    return f"CPython {sys.version_info.major}.{sys.version_info.minor}"
