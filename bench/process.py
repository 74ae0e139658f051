"""CPU time and memory of a server, the processes that it has started included, from /proc.

Linux only. Times are what the kernel accounts to the processes, in seconds with a resolution of a
clock tick (10 ms); memory is in bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cpu:
    """Seconds spent in the program and, on its behalf, in the kernel."""

    user: float
    system: float

    @property
    def total(self) -> float:
        return self.user + self.system

    def __sub__(self, earlier: Cpu) -> Cpu:
        return Cpu(self.user - earlier.user, self.system - earlier.system)


@dataclass(frozen=True)
class Memory:
    """Bytes held in RAM, summed over the tree.

    `rss` counts a page that several processes share once for each of them, `pss` once in all;
    `peak` is the sum of the largest RSS that each process ever had.
    """

    rss: int
    pss: int
    peak: int


def tree(pid: int) -> set[int]:
    """Collect the process and all its living descendants."""
    found = {pid}
    # Listed by thread, because the children of a process belong to the thread that started them.
    for task in _entries(Path(f"/proc/{pid}/task")):
        for child in _read(task / "children").split():
            found |= tree(int(child))
    return found


def cpu(pid: int) -> Cpu:
    """CPU time of the tree so far. Children that have ended and been waited for are counted too."""
    user = system = 0
    for member in tree(pid):
        # The second field is the program's name in brackets, and may itself hold spaces.
        fields = _read(Path(f"/proc/{member}/stat")).rpartition(")")[2].split()
        if fields:
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
    return Cpu(user * TICK, system * TICK)


def memory(pid: int) -> Memory:
    """Memory of the tree now."""
    rss = pss = peak = 0
    for member in tree(pid):
        status = _read(Path(f"/proc/{member}/status"))
        rss += _kib(status, "VmRSS")
        peak += _kib(status, "VmHWM")
        pss += _kib(_read(Path(f"/proc/{member}/smaps_rollup")), "Pss")
    return Memory(rss * 1024, pss * 1024, peak * 1024)


def rss(pid: int) -> int:
    """RSS of the tree now, in bytes: cheap enough to ask for a hundred times a second."""
    return 1024 * sum(_kib(_read(Path(f"/proc/{p}/status")), "VmRSS") for p in tree(pid))


def descriptors(pid: int) -> int:
    """Count the open descriptors of one process."""
    return sum(1 for _ in _entries(Path(f"/proc/{pid}/fd")))


def connections(port: int) -> int:
    """Count the connections to a port of this machine that the server's side has not closed yet."""
    count = 0
    for line in _read(Path("/proc/net/tcp")).splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        # ESTABLISHED and CLOSE_WAIT, by their numbers in the kernel.
        count += local.endswith(f":{port:04X}") and state in ("01", "08")
    return count


def core_busy(core: int) -> float:
    """Seconds that a core has spent on anything but idling, time stolen by other guests too."""
    line = re.search(rf"^cpu{core} (.*)$", _read(Path("/proc/stat")), re.MULTILINE)
    if line is None:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, line[1].split()[:8])
    return (user + nice + system + irq + softirq + steal) * TICK


def _kib(text: str, key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _read(path: Path) -> str:
    """Text of a file of /proc, or nothing if the process has just ended."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _entries(directory: Path) -> Iterator[Path]:
    """Entries of a directory of /proc, or nothing if the process has just ended."""
    try:
        yield from directory.iterdir()
    except OSError:
        return
