"""Whether a fast producer waits for a slow client: `run.py slow-download`.

10 GB come down from a WSGI generator and from an ASGI app that sends as fast as it may. The client
takes most of it as fast as it comes, stops altogether now and then, and takes the last part at a
few MiB a second. Every byte is compared. The peak is the kernel's own (VmHWM), summed over the
server's processes, so no moment is missed.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time

import process
from check_stream import BLOCK, MIB, MOST_MIB, Pace
from clients import BadAnswer, connect
from figures import Figure, finish
from interfaces import OURS
from launch import WrongAnswer, free_port, pinned, serving
from machine import cores
from row import APPS, Server
from servers import named

ROWS = ("WSGI hello", "ASGI hello")
# Faster than anything that comes.
UNBOUNDED = 2**40


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py slow-download", description=__doc__)
    parser.add_argument("--server", default=OURS, help=f"as the rows call it; default: {OURS}")
    parser.add_argument("--only", choices=("wsgi", "asgi"), help="one interface; default: both")
    parser.add_argument("--mib", type=int, default=10_000, help="default: 10,000")
    parser.add_argument("--slow-mib", type=int, default=64, help="the last part; default: 64")
    parser.add_argument("--rate", type=int, default=8, help="MiB/s of the last part; default: 8")
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--stop-seconds", type=float, default=3.0)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)

    figures: list[Figure] = []
    failures: list[str] = []
    for workload in ROWS:
        if asked.only and not workload.lower().startswith(asked.only):
            continue
        name = f"{workload}: {asked.server}"
        try:
            figures.append(_run(named(name), asked))
        except (BadAnswer, OSError, ValueError, WrongAnswer) as failure:
            failures.append(f"{name}: {failure}")
    return finish("slow-download", figures, failures, asked.json)


def _run(row: Server, asked: argparse.Namespace) -> Figure:
    chosen, port = cores(), free_port()
    with (
        serving(row.command_line(port), port, chosen.server, cwd=APPS) as running,
        pinned(chosen.load),
    ):
        at_rest = process.memory(running.pid).rss
        interface = row.name.partition(" ")[0]
        print(f"{interface}: {asked.mib:,} MiB", file=sys.stderr, flush=True)
        began = time.monotonic()
        connection = connect(running.address, timeout=60)
        fast = asked.mib - asked.slow_mib
        paces = [
            (fast * MIB, Pace(fast * MIB, UNBOUNDED, asked.stops, asked.stop_seconds)),
            (asked.mib * MIB, Pace(asked.slow_mib * MIB, asked.rate * MIB, 0, 0)),
        ]
        _download(connection, asked.mib * MIB, paces)
        connection.close()
        return Figure(
            f"{interface}, download of {asked.mib:,} MiB: peak RSS",
            process.memory(running.pid).peak / MIB,
            "MiB",
            most=MOST_MIB,
            note=f"{at_rest / MIB:.1f} before; took {time.monotonic() - began:.0f} s",
        )


def _download(connection: socket.socket, total: int, paces: list[tuple[int, Pace]]) -> None:
    """Take a chunked body and compare it; each pace holds until so many bytes have come."""
    # Twice, so that every chunk's bytes stand in it wherever the chunk begins.
    wanted = memoryview(BLOCK + BLOCK)
    period = 256
    count = total // len(BLOCK)
    connection.sendall(f"GET /download/{count} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    with connection.makefile("rb", buffering=256 * 1024) as stream:
        start = stream.readline()
        if not start.startswith(b"HTTP/1.1 200"):
            raise BadAnswer(f"wanted 200, got {start!r}")
        head = b""
        while (line := stream.readline()) not in (b"\r\n", b""):
            head += line.lower()
        if b"transfer-encoding: chunked" not in head:
            raise BadAnswer(f"wanted chunks, got {head!r}")
        received = 0
        while size := int(stream.readline() or b"0", 16):
            # A chunk may hold many pieces; it is never kept whole.
            while size:
                part = stream.read(min(size, len(BLOCK)))
                begin = received % period
                if not part or part != wanted[begin : begin + len(part)]:
                    raise BadAnswer(f"other bytes, or none, after {received} of them")
                size -= len(part)
                received += len(part)
                while len(paces) > 1 and received > paces[0][0]:
                    paces.pop(0)
                paces[0][1].passed(len(part))
            if stream.readline() != b"\r\n":
                raise BadAnswer(f"no end of a chunk after {received} bytes")
    if received != count * len(BLOCK):
        raise BadAnswer(f"wanted {count * len(BLOCK)} bytes, got {received}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
