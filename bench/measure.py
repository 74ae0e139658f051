"""The measurement: every server in every round, the rounds interleaved, and what follows from them.

A machine that others use too drifts, by more than what we want to tell apart. So each server is
measured in several short rounds instead of one long one, each round runs through all of them in
another order, ratios are formed within a round, and what is quoted is the median over the rounds
with its smallest and largest value beside it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import h2load
import process
from build import CannotBuild
from launch import Running, WrongAnswer, free_port, pinned, serving, verify
from load import NAP, Load, LoadError, Manner, Wrk, echoes, posted
from machine import Cores
from process import Cpu, Memory
from row import APPS, Server

# Seconds of load before the first measurement of a freshly started server.
WARM_UP = 1
# An answer under load may differ from the verified one by this much: the last ones are cut off.
LENGTH_TOLERANCE = 0.05


@dataclass(frozen=True)
class Plan:
    """What to measure: the rows, and each of them at each number of connections, in each round."""

    servers: Sequence[Server]
    asked: Sequence[int]
    """Numbers of connections for all; none: each row's own."""
    seconds: int
    rounds: int
    workers: int = 1

    def of(self, server: Server) -> Sequence[int]:
        """The numbers of connections that a row is measured with."""
        return self.asked or server.connections

    @property
    def connections(self) -> Sequence[int]:
        """Every number of connections that some row is measured with, the fewest first."""
        return sorted({number for server in self.servers for number in self.of(server)})

    @property
    def estimate(self) -> float:
        """Seconds that it will take, starting and ending the servers included."""
        loads = sum(len(self.of(server)) for server in self.servers)
        each = len(self.servers) * (WARM_UP + 1.2) + loads * (self.seconds + 0.1)
        return self.rounds * each

    def order(self, round_number: int) -> list[Server]:
        """Order of a round: rotated, and every second one reversed; neighbours stay neighbours."""
        start = round_number * len(self.servers) // max(self.rounds, 1)
        rotated = [*self.servers[start:], *self.servers[:start]]
        return rotated[::-1] if round_number % 2 else rotated


@dataclass(frozen=True)
class Sample:
    """One server under one load in one round."""

    round: int
    load: Load
    cpu: Cpu
    memory: Memory
    core_busy: float
    cores: int = 1

    @property
    def figures(self) -> dict[str, float]:
        """Every figure of the table by name. Microseconds, bytes, and shares from 0 to 1."""
        per_request = 1e6 / max(self.load.requests, 1)
        return {
            "requests_per_second": self.load.requests_per_second,
            "cpu_us": self.cpu.total * per_request,
            "user_us": self.cpu.user * per_request,
            "system_us": self.cpu.system * per_request,
            "p50_us": self.load.p50_us,
            "p90_us": self.load.p90_us,
            "p99_us": self.load.p99_us,
            "p999_us": self.load.p999_us,
            "max_us": self.load.max_us,
            "rss_bytes": self.memory.rss,
            "pss_bytes": self.memory.pss,
            "peak_bytes": self.memory.peak,
            # How much of its cores the server had, how much others took of it, and what wrk needed.
            "server_busy": self.cpu.total / self.load.seconds / self.cores,
            "others_busy": max(self.core_busy - self.cpu.total, 0) / self.load.seconds / self.cores,
            "load_busy": self.load.busy,
        }


@dataclass(frozen=True)
class Spread:
    """Median over the rounds, and the extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Summarise; None where there is nothing to summarise."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1]) if found else None


@dataclass
class Row:
    """All that was found out about one server at one number of connections."""

    server: Server
    connections: int
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def spread(self, figure: str) -> Spread | None:
        """Median and extremes of a figure of `Sample.figures`."""
        return Spread.of(sample.figures[figure] for sample in self.samples)

    def ratio(self, figure: str, to: Row) -> Spread | None:
        """The figure divided by another row's, round by round."""
        theirs = {sample.round: sample.figures[figure] for sample in to.samples}
        return Spread.of(
            sample.figures[figure] / theirs[sample.round]
            for sample in self.samples
            if theirs.get(sample.round)
        )

    @property
    def errors(self) -> dict[str, int]:
        """Errors that the load generator counted, all rounds together."""
        total: dict[str, int] = {}
        for sample in self.samples:
            for kind, count in sample.load.trouble.items():
                total[kind] = total.get(kind, 0) + count
        return total


def median(row: Row, figure: str) -> float:
    """The median of a figure, 0 where there is none."""
    spread = row.spread(figure)
    return spread.median if spread else 0.0


@dataclass
class Table:
    """The rows, in the order of the plan, one for each server and number of connections."""

    plan: Plan
    rows: list[Row] = field(default_factory=list)

    def row(self, name: str, connections: int) -> Row | None:
        """Look up a row."""
        wanted = (name, connections)
        return next((r for r in self.rows if (r.server.name, r.connections) == wanted), None)

    def reference(self, row: Row) -> Row | None:
        """The row that this one is compared with."""
        return self.row(row.server.compared_with, row.connections)

    def best_peer(self, row: Row) -> Row | None:
        """The fastest peer that is asked for the same as a row of ours, by requests/s."""
        if row.server.is_peer:
            return None
        peers = [
            other
            for other in self.rows
            if other.server.is_peer
            and other.samples
            and (other.connections, other.server.workload) == (row.connections, row.server.workload)
        ]
        return max(peers, key=lambda peer: median(peer, "requests_per_second"), default=None)

    def ours(self, row: Row) -> Row | None:
        """The row of ours that has promised to be ahead of a peer's."""
        if not row.server.is_peer:
            return None
        return self.row(row.server.ahead_of or row.server.compared_with, row.connections)

    @property
    def failed(self) -> bool:
        """Whether any server failed, answered wrongly or produced errors."""
        return any(row.failures or row.errors or not row.samples for row in self.rows)


def measure(plan: Plan, cores: Cores, wrk: Wrk, tell: Callable[[str], None]) -> Table:
    """Carry the plan out. What fails is noted in its row, and the others go on."""
    rows_of = [(c, s) for c in plan.connections for s in plan.servers if c in plan.of(s)]
    table = Table(plan, [Row(s, c) for c, s in rows_of])
    broken: set[str] = set()
    for number in range(plan.rounds):
        for server in plan.order(number):
            if server.name in broken:
                continue
            tell(f"round {number + 1} of {plan.rounds}: {server.name}")
            rows = [row for row in table.rows if row.server is server]
            # As with the order of the servers: no load always comes first.
            rows = rows[::-1] if number % 2 else rows
            try:
                _measure_server(server, rows, number, plan, cores, wrk)
            except (WrongAnswer, CannotBuild, LoadError) as failure:
                broken.add(server.name)
                for row in rows:
                    row.failures.append(f"round {number + 1}: {failure}")
    return table


def _measure_server(
    server: Server, rows: list[Row], number: int, plan: Plan, cores: Cores, wrk: Wrk
) -> None:
    if missing := server.missing():
        raise WrongAnswer(f"not installed: {', '.join(missing)} (`make bench` installs them)")
    port = free_port()
    command = server.command_line(port, plan.workers)
    with serving(command, port, *cores.of_server, cwd=APPS) as running:
        length = _verify(server, running)
        _load(server, running, max(row.connections for row in rows), WARM_UP, cores, wrk)
        for row in rows:
            sample = _sample(server, running, row.connections, number, plan.seconds, cores, wrk)
            _check_length(sample.load, length)
            row.samples.append(sample)
        _verify(server, running)


def _verify(server: Server, running: Running) -> int | None:
    """The length of an answer that is as it must be, in bytes. Raises WrongAnswer."""
    # Each echo is looked at while it is counted.
    if server.websocket:
        return None
    close, tls = server.manner is Manner.CLOSE, server.manner is Manner.TLS
    sends = posted(server.sends)
    length = verify(running, server.path, server.body, sends, close=close, tls=tls)
    if server.manner is Manner.MIX:
        verify(running, NAP, server.body)
    # Of HTTP/2 the load generator does not tell how much came with the requests that it counts.
    return None if server.manner is Manner.H2 else length


def _load(
    server: Server, running: Running, connections: int, seconds: int, cores: Cores, wrk: Wrk
) -> Load:
    with pinned(*((cores.load,) if cores.load not in cores.servers else cores.of_server)):
        if server.websocket:
            return echoes(running.address, server.path, connections=connections, seconds=seconds)
        url = running.url(server.path, "https" if server.manner is Manner.TLS else "http")
        if server.manner is Manner.H2:
            return h2load.run(url, connections=connections, seconds=seconds)
        return wrk.run(
            url,
            connections=connections,
            seconds=seconds,
            sends=server.sends,
            manner=server.manner,
        )


def _sample(
    server: Server,
    running: Running,
    connections: int,
    number: int,
    seconds: int,
    cores: Cores,
    wrk: Wrk,
) -> Sample:
    def busy() -> float:
        return sum(process.core_busy(core) for core in cores.of_server)

    cpu, before = process.cpu(running.pid), busy()
    load = _load(server, running, connections, seconds, cores, wrk)
    cpu, used = process.cpu(running.pid) - cpu, busy() - before
    memory = process.memory(running.pid)
    return Sample(number, load, cpu, memory, used, len(cores.of_server))


def _check_length(load: Load, wanted: int | None) -> None:
    """Answers under load are as long as the verified one. Raises WrongAnswer if they are not."""
    if not load.requests:
        raise WrongAnswer(f"no request was answered; errors: {load.trouble or 'none'}")
    if wanted is None:
        return
    found = load.bytes / load.requests
    if abs(found - wanted) > LENGTH_TOLERANCE * wanted:
        raise WrongAnswer(f"answers under load had {found:.0f} bytes, the verified one {wanted}")
