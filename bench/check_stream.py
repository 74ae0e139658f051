"""Whether large bodies stay out of memory: `run.py stream`.

2 GiB go up to a Python handler and 2 GiB come down from one, with a client that is slow: it works
in bursts, at most so much a second, and now and then stops altogether for a while. In a burst it is
faster than the handler on the way up; at a stop the handler is the faster one on the way down. Both
ends compare checksums. The peak is the kernel's own (VmHWM), so no moment is missed.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
import zlib
from collections.abc import Callable

import process
from clients import Answer, BadAnswer, connect, receive
from figures import Figure, finish
from launch import Running, WrongAnswer, free_port, pinned, serving
from machine import cores
from row import APPS

MIB = 2**20
# What the download handler repeats, and what the upload sends.
BLOCK = bytes(range(256)) * 256
MOST_MIB = 64.0


class Pace:
    """A client's pauses: at most `rate` bytes in each second, and `stops` long ones on the way."""

    def __init__(self, total: int, rate: int, stops: int, stop_seconds: float) -> None:
        """Begin now."""
        self._rate = rate
        self._second = time.monotonic()
        self._in_second = 0
        self._done = 0
        self._stop_seconds = stop_seconds
        self._stops = [total * (n + 1) // (stops + 1) for n in range(stops)]

    def passed(self, count: int) -> None:
        """Account for bytes that went through, and pause if it is time to."""
        self._done += count
        self._in_second += count
        if self._stops and self._done >= self._stops[0]:
            self._stops.pop(0)
            time.sleep(self._stop_seconds)
        if self._in_second >= self._rate:
            time.sleep(max(self._second + 1 - time.monotonic(), 0))
            self._second = time.monotonic()
            self._in_second = 0


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py stream", description=__doc__)
    parser.add_argument("--mib", type=int, default=2048, help="each way; default: 2048")
    parser.add_argument("--rate", type=int, default=96, help="MiB per second at most; default: 96")
    parser.add_argument("--stops", type=int, default=3, help="each way; default: 3")
    parser.add_argument("--stop-seconds", type=float, default=2.0)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)

    def pace() -> Pace:
        return Pace(asked.mib * MIB, asked.rate * MIB, asked.stops, asked.stop_seconds)

    figures: list[Figure] = []
    failures: list[str] = []
    # A process for each, so that neither peak hides the other.
    for name, transfer in (("upload", _upload), ("download", _download)):
        try:
            figures += _run(name, transfer, asked.mib, pace)
        except (BadAnswer, OSError, WrongAnswer) as failure:
            failures.append(f"{name}: {failure}")
    return finish("stream", figures, failures, asked.json)


def _run(
    name: str,
    transfer: Callable[[socket.socket, int, Pace], None],
    mib: int,
    pace: Callable[[], Pace],
) -> list[Figure]:
    chosen = cores()
    port = free_port()
    command = [sys.executable, "oxbridge_checks.py", str(port)]
    with serving(command, port, chosen.server, cwd=APPS) as running, pinned(chosen.load):
        at_rest = process.memory(running.pid).rss
        print(f"{name}: {mib} MiB", file=sys.stderr, flush=True)
        began = time.monotonic()
        connection = connect(running.address, timeout=60)
        transfer(connection, mib * MIB, pace())
        seconds = time.monotonic() - began
        connection.close()
        return [
            Figure(
                f"{name} of {mib:,} MiB: peak RSS",
                _peak(running) / MIB,
                "MiB",
                most=MOST_MIB,
                note=f"{at_rest / MIB:.1f} before; took {seconds:.0f} s; checksum agrees",
            )
        ]


def _upload(connection: socket.socket, total: int, pace: Pace) -> None:
    head = f"POST /upload HTTP/1.1\r\nHost: bench\r\nContent-Length: {total}\r\n\r\n"
    connection.sendall(head.encode())
    checksum = 0
    for _ in range(total // len(BLOCK)):
        connection.sendall(BLOCK)
        checksum = zlib.crc32(BLOCK, checksum)
        pace.passed(len(BLOCK))
    answer = receive(connection)
    if answer != Answer(200, f"{total} {checksum}".encode()):
        raise BadAnswer(f"wanted {total} bytes with checksum {checksum}, got {answer}")


def _download(connection: socket.socket, total: int, pace: Pace) -> None:
    """Take a chunked body, chunk by chunk: `clients.Reader` would keep it whole."""
    blocks = total // len(BLOCK)
    connection.sendall(f"GET /download/{blocks} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    with connection.makefile("rb", buffering=256 * 1024) as stream:
        start = stream.readline()
        if not start.startswith(b"HTTP/1.1 200"):
            raise BadAnswer(f"wanted 200, got {start!r}")
        head = b""
        while (line := stream.readline()) != b"\r\n":
            head += line.lower()
        if b"transfer-encoding: chunked" not in head:
            raise BadAnswer(f"wanted chunks, got {head!r}")
        received = checksum = 0
        while size := int(stream.readline(), 16):
            chunk = stream.read(size)
            received += len(chunk)
            checksum = zlib.crc32(chunk, checksum)
            if stream.readline() != b"\r\n":
                raise BadAnswer(f"no end of a chunk after {received} bytes")
            pace.passed(len(chunk))
    wanted = 0
    for _ in range(blocks):
        wanted = zlib.crc32(BLOCK, wanted)
    if (received, checksum) != (total, wanted):
        raise BadAnswer(f"wanted {total} bytes, checksum {wanted}; got {received}, {checksum}")


def _peak(running: Running) -> int:
    return process.memory(running.pid).peak


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
