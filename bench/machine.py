"""What the figures were taken on: processor, cores, kernel, and the state of the code."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Cores:
    """The core that servers run on and the one that makes the load. Equal if there is only one.

    `servers` are all that a server with several workers runs on, if it has more than one.
    """

    server: int
    load: int
    servers: tuple[int, ...] = ()

    @property
    def shared(self) -> bool:
        return self.load in self.of_server

    @property
    def of_server(self) -> tuple[int, ...]:
        """Every core that the server runs on."""
        return self.servers or (self.server,)


def cores(workers: int = 1) -> Cores:
    """Choose two cores, physical ones if possible: two threads of one core share its speed.

    A server with several workers has a core for each, and the load the last of those that are left,
    or of all.
    """
    allowed = sorted(os.sched_getaffinity(0))
    server = allowed[0]
    siblings = _siblings(server)
    apart = [core for core in allowed if core not in siblings]
    if workers > 1:
        return Cores(server, allowed[-1], tuple(allowed[:workers]))
    return Cores(server, (apart or allowed[1:] or allowed)[0])


@dataclass(frozen=True)
class Machine:
    """The facts that a reader needs to judge a figure, as JSON-friendly values."""

    taken: str
    cpu: str
    cores: int
    server_core: int
    load_core: int
    memory_bytes: int
    kernel: str
    system: str
    load_average: float
    commit: str


def machine(chosen: Cores) -> Machine:
    """Ask the machine. What it does not tell is `unknown`."""
    return Machine(
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
        cpu=_first(r"^model name\s*:\s*(.+)$", "/proc/cpuinfo"),
        cores=len(os.sched_getaffinity(0)),
        server_core=chosen.server,
        load_core=chosen.load,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=f"{platform.system()} {platform.release()}",
        system=_first(r'^PRETTY_NAME="?([^"\n]+)', "/etc/os-release"),
        load_average=os.getloadavg()[0],
        commit=_commit(),
    )


def says(command: Sequence[str | Path], pattern: str = r"(\S.*)") -> str:
    """First match of the pattern in what a command prints, or `unknown`."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = re.search(pattern, done.stdout)
    return found[1] if found else "unknown"


def _commit() -> str:
    commit = says(["git", "rev-parse", "--short=12", "HEAD"], r"^([0-9a-f]{12})$")
    # Tables from code that nobody can check out again say so.
    changed = commit != "unknown" and says(["git", "status", "--porcelain"]) != "unknown"
    return f"{commit} with changes" if changed else commit


def _siblings(core: int) -> set[int]:
    """Hardware threads of the same physical core, itself among them."""
    path = f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"
    found = {core}
    for part in _first(r"(\S+)", path).split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            found |= set(range(int(first), int(last or first) + 1))
    return found


def _first(pattern: str, path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else "unknown"
