"""The ratios that the project has promised, and whether a run shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import loads
from interfaces import HELLOS, OURS, WAYS, WORKLOADS, rows
from measure import Spread, Table
from row import FEW_CONNECTIONS, REFERENCE


@dataclass(frozen=True)
class Bound:
    """A ratio between two rows of one run: `figure` of `row` divided by that of `to`.

    It is promised at 10 and at 100 connections, or only at `connections`; and at each number that a
    run was asked for.
    """

    row: str
    to: str
    figure: str
    least: float | None = None
    most: float | None = None
    connections: int | None = None

    @property
    def wanted(self) -> str:
        return f"at least {self.least}" if self.least is not None else f"at most {self.most}"

    def holds(self, value: float) -> bool:
        """Whether the value is within the bound."""
        if self.least is not None and value < self.least:
            return False
        return self.most is None or value <= self.most


BOUNDS: tuple[Bound, ...] = (
    Bound("oxbridge python", REFERENCE, "requests_per_second", least=0.90),
    Bound("oxbridge python blocking=False", REFERENCE, "requests_per_second", least=0.92),
    Bound(REFERENCE, "floor (C epoll)", "cpu_us", most=1.15),
    # Handlers are compared with those that promise as much: not to block, or nothing.
    Bound("oxbridge C", "oxbridge native blocking", "requests_per_second", least=0.97),
    Bound("oxbridge C inline", REFERENCE, "requests_per_second", least=0.97),
    Bound("oxbridge C inline", "libmicrohttpd", "requests_per_second", least=1.0, connections=100),
    Bound("oxbridge C", "go net/http", "requests_per_second", least=2.0, connections=100),
)

# Servers that ours is promised to be ahead of, in every workload that they take.
AHEAD_OF = tuple(dict.fromkeys(way.server for way in WAYS if way.server != OURS and way.default))


def _interfaces() -> Iterator[Bound]:
    """The promises about the interfaces of Python: some multiples, and ahead of everybody."""
    measured = {row.name: row for row in rows()}
    multiples = {
        "WSGI hello: granian st": 2.0,
        "WSGI hello: granian mt": 2.0,
        "WSGI hello: gunicorn sync": 10.0,
        "WSGI hello: gunicorn gthread": 10.0,
        "ASGI hello: uvicorn": 2.5,
        "ASGI hello: granian st": 2.5,
        "ASGI hello: granian mt": 2.5,
        "RSGI hello: granian st": 2.0,
        "RSGI hello: granian mt": 2.0,
    }
    for workload in WORKLOADS:
        for peer in AHEAD_OF:
            name = f"{workload.name}: {peer}"
            if name in measured:
                least = multiples.get(name, 1.0)
                yield Bound(f"{workload.name}: {OURS}", name, "requests_per_second", least=least)


def _best_python() -> Iterator[Bound]:
    """Handlers in Python beside every hello of any Python peer: both tables in one run show it."""
    for row in rows():
        if row.workload in HELLOS and row.default and row.is_peer:
            yield Bound("oxbridge python", row.name, "requests_per_second", least=2.0)


def _loads() -> Iterator[Bound]:
    """Ahead of every peer that is written in the same way, in every load."""
    for row in loads.rows():
        if not row.ahead_of:
            continue
        if row.judged_by == "cpu_us":
            yield Bound(row.ahead_of, row.name, "cpu_us", most=1.0)
        else:
            yield Bound(row.ahead_of, row.name, row.judged_by, least=1.0)


BOUNDS += (*_interfaces(), *_best_python(), *_loads())

NAMES = {"requests_per_second": "requests/s", "cpu_us": "CPU per request"}


@dataclass(frozen=True)
class Verdict:
    """A bound, and what a run found."""

    bound: Bound
    connections: int
    ratio: Spread

    @property
    def held(self) -> bool:
        return self.bound.holds(self.ratio.median)

    def __str__(self) -> str:
        found = f"{self.ratio.median:.2f} ({self.ratio.low:.2f} to {self.ratio.high:.2f})"
        return (
            f"{'held  ' if self.held else 'MISSED'}  "
            f"{self.bound.row} / {self.bound.to}, {NAMES[self.bound.figure]}, "
            f"{self.connections} connections: {found}, wanted {self.bound.wanted}"
        )


def judge(table: Table, bounds: Iterable[Bound] = BOUNDS) -> list[Verdict]:
    """Compare a table with the bounds. Bounds on rows that were not measured are left out.

    With several workers the order is promised, and no multiple.
    """
    verdicts = []
    for promised in bounds:
        multiple = promised.least is not None and promised.least > 1
        ordered = multiple and table.plan.workers > 1
        bound = replace(promised, least=1.0) if ordered else promised
        for connections in table.plan.connections:
            at = (bound.connections,) if bound.connections else table.plan.asked or FEW_CONNECTIONS
            if connections not in at:
                continue
            row, to = table.row(bound.row, connections), table.row(bound.to, connections)
            ratio = row.ratio(bound.figure, to) if row and to else None
            if ratio is not None:
                verdicts.append(Verdict(bound, connections, ratio))
    return verdicts
