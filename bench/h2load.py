"""The load over HTTP/2: h2load, and what it says afterwards.

Each connection has `STREAMS` requests under way; a new one begins as soon as one has ended. h2load
tells no percentiles, so it writes the time of each request to a file, and they come from there.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from figures import percentile
from load import Load, LoadError, execute
from machine import ROOT, says

sys.path.insert(0, str(ROOT / "tools"))
import programs

STREAMS = 10

MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


def version() -> str:
    """Which h2load it is."""
    return says([programs.find("h2load") or "h2load", "--version"], r"nghttp2/(\S+)")


def run(url: str, *, connections: int, seconds: int) -> Load:
    """Load the URL for some seconds, HTTP/2 from the first byte on.

    `Load.bytes` are those of the bodies, also of those before and after the time that is counted.
    Call it pinned to the load generator's core. Raises LoadError.
    """
    program = programs.find("h2load")
    if program is None:
        raise LoadError("h2load is missing (Debian, Ubuntu: apt install nghttp2-client)")
    with tempfile.TemporaryDirectory() as place:
        times = Path(place, "times")
        command = [program, f"-c{connections}", f"-m{STREAMS}", "-t1", f"-D{seconds}"]
        done, used = execute([*command, f"--log-file={times}", url], seconds)
        return parse(done, times.read_text("ascii") if times.exists() else "", used)


def parse(said: str, times: str, cpu_seconds: float) -> Load:
    """Read what h2load printed, and what it wrote: start, status, microseconds of each request."""
    finished = re.search(r"^finished in ([\d.]+)(us|ms|s|m),", said, re.MULTILINE)
    counted = r"^requests: .* (\d+) succeeded, (\d+) failed, \d+ errored, (\d+) timeout"
    counts = re.search(counted, said, re.MULTILINE)
    told = r"^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx"
    others = re.search(told, said, re.MULTILINE)
    data = re.search(r"\((\d+)\) data$", said, re.MULTILINE)
    if finished is None or counts is None or others is None or data is None:
        raise LoadError(f"h2load did not run: {said.strip()[-300:] or 'it printed nothing'}")
    succeeded, failed, timeouts = map(int, counts.groups())
    took = sorted(int(line.rpartition("\t")[2]) for line in times.splitlines()) or [0]
    p50, p90, p99, p999 = (percentile(took, share) for share in (0.5, 0.9, 0.99, 0.999))
    seconds = float(finished[1]) * MICROSECONDS[finished[2]] / 1e6
    return Load(
        succeeded,
        seconds,
        int(data[1]),
        p50,
        p90,
        p99,
        p999,
        took[-1],
        # What h2load counts as errored is among the failed.
        {
            "read": failed,
            "timeout": timeouts,
            "status": sum(map(int, others.groups())),
            "connect": 0,
        },
        cpu_seconds / seconds if seconds else 0.0,
    )
