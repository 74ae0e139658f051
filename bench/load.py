"""The load: wrk on a core of its own, and what it says afterwards.

wrk keeps its connections open and sends the next request on each as soon as the answer to the last
one has arrived, so requests/s is the speed of the server as long as wrk itself is not the slower
one. WebSocket echoes come from a program of our own, in the same manner. `Load.busy` tells how much
of its core the load generator needed.
"""

from __future__ import annotations

import enum
import json
import resource
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from build import ws_echo
from machine import ROOT, says

sys.path.insert(0, str(ROOT / "tools"))
import programs


class Manner(enum.Enum):
    """How requests follow each other, and over what."""

    KEEP_ALIVE = "keep-alive"
    """The next one on the same connection when the last answer is there."""
    CLOSE = "close"
    """Each on a connection of its own."""
    PIPELINED = "pipelined"
    """Sixteen at a time on each connection."""
    MIX = "mix"
    """One of twenty asks for `NAP` instead, and so sleeps for 50 ms."""
    PAUSES = "pauses"
    """Each connection waits for 8 to 24 ms, at random, between an answer and its next request."""
    TLS = "tls"
    """As KEEP_ALIVE, over TLS."""
    H2 = "h2"
    """HTTP/2 without TLS; see h2load.py."""


NAP = "/nap"

PATIENCE = 20
"""Seconds that a load generator may take beyond its time."""

FIGURES = Path(__file__).resolve().parent / "wrk_figures.lua"


class LoadError(Exception):
    """The load generator is missing, or did not run."""


@dataclass(frozen=True)
class Load:
    """What one run of the load generator saw. Latencies in microseconds, bytes as on the wire.

    Where the load generator tells no latencies, they are 0.
    """

    requests: int
    seconds: float
    bytes: int
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float
    errors: dict[str, int]
    busy: float

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def trouble(self) -> dict[str, int]:
        """The kinds of error that happened, and how often."""
        return {kind: count for kind, count in self.errors.items() if count}


class Wrk:
    """wrk, found once."""

    def __init__(self) -> None:
        """Find it. Raises LoadError where it is missing."""
        found = programs.find("wrk")
        if found is None:
            raise LoadError("the load generator wrk is missing (Debian, Ubuntu: apt install wrk)")
        self.path = found

    @property
    def version(self) -> str:
        return says([self.path, "-v"], r"wrk (?:debian/)?(\S+)")

    def run(
        self,
        url: str,
        *,
        connections: int,
        seconds: int,
        sends: int = 0,
        threads: int = 1,
        header: str | None = None,
        manner: Manner = Manner.KEEP_ALIVE,
    ) -> Load:
        """Load the URL for some seconds. Call it pinned to the load generator's core.

        It asks with GET, or with POST where a body of `sends` bytes, see `posted`, is to be sent.
        """
        command = [self.path, f"-t{threads}", f"-c{connections}", f"-d{seconds}s"]
        command += ["-H", header] if header else []
        command += ["-H", "Connection: close"] if manner is Manner.CLOSE else []
        command += ["-s", str(FIGURES), url, "--", str(sends), manner.value]
        load = parse(*execute(command, seconds))
        if manner is not Manner.PIPELINED:
            return load
        # What wrk says there is the time of sixteen, set right as if it were that of one.
        return replace(load, p50_us=0, p90_us=0, p99_us=0, p999_us=0, max_us=0)


def echoes(address: tuple[str, int], path: str, *, connections: int, seconds: int) -> Load:
    """Have messages echoed on WebSockets for some seconds; a request is a message and its echo.

    Call it pinned to the load generator's core. Raises CannotBuild.
    """
    where = f"{address[0]}:{address[1]}"
    return parse(*execute([str(ws_echo()), where, path, str(connections), str(seconds)], seconds))


def posted(length: int) -> bytes:
    """The body of so many bytes that wrk_figures.lua sends."""
    return (b"0123456789" * (length // 10 + 1))[:length]


def execute(command: list[str], seconds: int) -> tuple[str, float]:
    """Run a load generator; return what it printed and the CPU seconds that it took.

    Raises LoadError where it printed nothing, or did not end.
    """
    before, patience = _children(), seconds + PATIENCE
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"the load of {seconds} s did not end in {patience} s") from None
    used = _children() - before
    if not done.stdout.strip():
        raise LoadError(f"the load did not run: {done.stderr.strip() or 'it printed nothing'}")
    return done.stdout, used


def parse(stdout: str, cpu_seconds: float) -> Load:
    """Read what a load generator printed: the line of JSON among its text."""
    line = next((line for line in stdout.splitlines() if line.startswith('{"requests"')), None)
    if line is None:
        raise LoadError(f"the load did not run: {stdout.strip() or 'it printed nothing'}")
    said = json.loads(line)
    seconds = said.pop("duration_us") / 1e6
    return Load(seconds=seconds, busy=cpu_seconds / seconds, **said)


def _children() -> float:
    """CPU seconds of the processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
