"""The load: wrk on a core of its own, and what it says afterwards.

wrk keeps its connections open and sends the next request on each as soon as the answer to the last
one has arrived, so requests/s is the speed of the server as long as wrk itself is not the slower
one. `Load.busy` tells how much of its core it needed.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from machine import ROOT, says

sys.path.insert(0, str(ROOT / "tools"))
import programs

FIGURES = Path(__file__).resolve().parent / "wrk_figures.lua"


class LoadError(Exception):
    """The load generator is missing, or did not run."""


@dataclass(frozen=True)
class Load:
    """What one run of the load generator saw. Latencies in microseconds, bytes as on the wire."""

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

    def run(self, url: str, *, connections: int, seconds: int) -> Load:
        """Load the URL for some seconds. Call it pinned to the load generator's core."""
        command = [self.path, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(FIGURES), url]
        before = _children()
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 30, check=False
        )
        used = _children() - before
        return parse(done.stdout, done.stderr, used)


def parse(stdout: str, stderr: str, cpu_seconds: float) -> Load:
    """Read what wrk printed: the line of JSON among its text."""
    line = next((line for line in stdout.splitlines() if line.startswith('{"requests"')), None)
    if line is None:
        raise LoadError(f"wrk did not run: {(stderr or stdout).strip() or 'it printed nothing'}")
    said = json.loads(line)
    seconds = said.pop("duration_us") / 1e6
    return Load(seconds=seconds, busy=cpu_seconds / seconds, **said)


def _children() -> float:
    """CPU seconds of the processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
