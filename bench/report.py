"""The table as people read it (aligned text, Markdown) and as programs do (JSON)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import h2load
from bounds import Bound, Verdict
from figures import many, ratio
from machine import Machine
from measure import Row, Spread, Table, median
from row import REFERENCE

# Changes whenever a reader of the JSON would have to change.
SCHEMA = 2
MIB = 2**20
TO = NOTHING = "\N{EN DASH}"
# Above this share of the server's core taken by others, a run says that it was disturbed.
DISTURBED = 0.05
# A core that is busier than this has nothing left to give.
SATURATED = 0.95


@dataclass(frozen=True)
class Column:
    """A column of the table: two lines of heading, and how a row's cell is made."""

    heading: tuple[str, str]
    cell: Callable[[Row, Row | None], str]
    left: bool = False
    beside_best_peer: bool = False
    """Whether `cell` is given the fastest peer instead of the row that it is compared with."""


def _figure(name: str, style: str, scale: float = 1.0) -> Callable[[Row, Row | None], str]:
    def cell(row: Row, reference: Row | None) -> str:
        spread = row.spread(name)
        # Every figure is more than nothing where it is known.
        return format(spread.median * scale, style) if spread and spread.median else NOTHING

    return cell


def _range(
    name: str, style: str, scale: float = 1.0, unit: str = ""
) -> Callable[[Row, Row | None], str]:
    def cell(row: Row, reference: Row | None) -> str:
        spread = row.spread(name)
        if spread is None:
            return NOTHING
        return f"{spread.low * scale:{style}}{TO}{spread.high * scale:{style}}{unit}"

    return cell


def _ratio(name: str) -> Callable[[Row, Row | None], str]:
    def cell(row: Row, reference: Row | None) -> str:
        spread = row.ratio(name, reference) if reference else None
        if spread is None:
            return NOTHING
        return ratio(spread.median)

    return cell


def _errors(row: Row, reference: Row | None) -> str:
    if row.failures:
        return "failed"
    return ", ".join(f"{count} {kind}" for kind, count in row.errors.items()) or "0"


COLUMNS = (
    Column(("", ""), lambda row, reference: row.server.name, left=True),
    Column(("requests/s", "median"), _figure("requests_per_second", ",.0f")),
    Column(("", f"min{TO}max"), _range("requests_per_second", ".1f", 1e-3, "k")),
    Column(("÷", "{reference}"), _ratio("requests_per_second")),
    Column(("÷ best", "peer"), _ratio("requests_per_second"), beside_best_peer=True),
    Column(("CPU µs", "median"), _figure("cpu_us", ".2f")),
    Column(("", f"min{TO}max"), _range("cpu_us", ".2f")),
    Column(("÷", "{reference}"), _ratio("cpu_us")),
    Column(("p50", "µs"), _figure("p50_us", ",.0f")),
    Column(("p99", "µs"), _figure("p99_us", ",.0f")),
    Column(("p99.9", "µs"), _figure("p999_us", ",.0f")),
    Column(("RSS", "MiB"), _figure("rss_bytes", ".1f", 1 / MIB)),
    Column(("PSS", "MiB"), _figure("pss_bytes", ".1f", 1 / MIB)),
    Column(("peak", "MiB"), _figure("peak_bytes", ".1f", 1 / MIB)),
    Column(("server", "busy"), _figure("server_busy", ".0%")),
    Column(("load", "busy"), _figure("load_busy", ".0%")),
    Column(("", "errors"), _errors),
)


def text(table: Table, machine: Machine, wrk: str, verdicts: Iterable[Verdict]) -> str:
    """The whole report for a terminal."""
    parts = [_conditions(table, machine, wrk)]
    for connections in table.plan.connections:
        for workload in _workloads(table, connections):
            title = _title(workload, connections)
            parts.append(f"{title}\n{_aligned(_cells(table, connections, workload), workload)}")
    parts.append("\n".join(_notes(table)))
    if lines := [str(verdict) for verdict in verdicts]:
        parts.append("Promised ratios (median of rounds, and the extremes):\n" + _indent(lines))
    return "\n\n".join(part for part in parts if part)


def markdown(table: Table, machine: Machine, wrk: str, verdicts: Iterable[Verdict]) -> str:
    """The whole report as a page."""
    parts = ["# Benchmark", _conditions(table, machine, wrk).replace("\n", "  \n")]
    for connections in table.plan.connections:
        for workload in _workloads(table, connections):
            heading, *rows = _cells(table, connections, workload)
            marks = [":--" if column.left else "--:" for column in COLUMNS]
            lines = ["| " + " | ".join(cells) + " |" for cells in [heading, marks, *rows]]
            parts += [f"## {_title(workload, connections)}", "\n".join(lines)]
    parts += ["\n".join(f"- {note}" for note in _notes(table))]
    if lines := [f"- {verdict}" for verdict in verdicts]:
        parts += ["## Promised ratios", "\n".join(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(
    table: Table, machine: Machine, wrk: str, verdicts: Iterable[Verdict]
) -> dict[str, Any]:
    """Everything, each round's figures included. Bytes, microseconds, shares from 0 to 1."""
    return {
        "schema": SCHEMA,
        "machine": asdict(machine),
        "load_generator": wrk,
        "method": {
            "rounds": table.plan.rounds,
            "seconds": table.plan.seconds,
            "connections": [*table.plan.connections],
            "h2load": h2load.version(),
            "reference": REFERENCE,
            "workers": table.plan.workers,
        },
        "rows": [_row_as_json(row, table) for row in table.rows],
        "bounds": [_verdict_as_json(verdict) for verdict in verdicts],
    }


def _row_as_json(row: Row, table: Table) -> dict[str, Any]:
    reference, ours, peer = table.reference(row), table.ours(row), table.best_peer(row)
    names = row.samples[0].figures if row.samples else {}
    spreads = {name: row.spread(name) for name in names}
    ratios = {
        name: row.ratio(name, reference) if reference else None
        for name in ("requests_per_second", "cpu_us", "p99_us", "rss_bytes")
    }
    return {
        "server": row.server.name,
        "workload": row.server.workload,
        "compared_with": row.server.compared_with,
        "about": row.server.about,
        "versions": row.server.versions(),
        "connections": row.connections,
        "figures": {name: _spread_as_json(spread) for name, spread in spreads.items()},
        "ratio_to_reference": {name: _spread_as_json(spread) for name, spread in ratios.items()},
        "ratio_to_ours": {
            name: _spread_as_json(row.ratio(name, ours) if ours else None)
            for name in ("requests_per_second", "cpu_us", "p99_us")
        },
        "judged_by": row.server.judged_by,
        "best_peer": peer.server.name if peer else None,
        "ratio_to_best_peer": _spread_as_json(
            row.ratio("requests_per_second", peer) if peer else None
        ),
        "rounds": [
            {"round": s.round, "requests": s.load.requests, **s.figures} for s in row.samples
        ],
        "errors": row.errors,
        "failures": row.failures,
    }


def _spread_as_json(spread: Spread | None) -> dict[str, float] | None:
    return {k: round(v, 4) for k, v in asdict(spread).items()} if spread else None


def _verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    bound: Bound = verdict.bound
    return {
        **asdict(bound),
        "connections": verdict.connections,
        "ratio": _spread_as_json(verdict.ratio),
        "held": verdict.held,
    }


def _conditions(table: Table, machine: Machine, wrk: str) -> str:
    plan = table.plan
    where = f"server on core {machine.server_core}, load (wrk {wrk}) on core {machine.load_core}"
    if plan.workers > 1:
        where = f"{plan.workers} workers on as many cores, load (wrk {wrk}) on what is left"
    elif machine.server_core == machine.load_core:
        where = f"ONE CORE for the server and the load (wrk {wrk}): compare nothing but CPU µs"
    return "\n".join(
        [
            f"{machine.taken}, commit {machine.commit}",
            f"{machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, "
            f"{machine.system}, {machine.kernel}, load average {machine.load_average:.2f}",
            f"{where}; {plan.rounds} rounds of {plan.seconds} s",
        ]
    )


def _notes(table: Table) -> list[str]:
    """What stands behind the rows, and what a reader must know before believing them."""
    width = max(len(server.name) for server in table.plan.servers)
    notes = [f"{s.name:{width}}  {s.about} [{s.versions()}]" for s in table.plan.servers]
    notes += [
        f"FAILED: {row.server.name}, {row.connections} connections, {failure}"
        for row in table.rows
        for failure in row.failures
    ]
    notes += [
        f"LIMITED BY THE LOAD: {row.server.name}, {row.connections} connections: "
        "requests/s is too low"
        for row in table.rows
        if median(row, "load_busy") > SATURATED
        and median(row, "server_busy") + median(row, "others_busy") < SATURATED
    ]
    disturbed = [share for row in table.rows if (share := median(row, "others_busy")) > DISTURBED]
    if disturbed:
        notes.append(
            f"DISTURBED: others took up to {max(disturbed):.0%} of the server's core. "
            "Trust ratios more than requests/s, and take the run again on a quiet machine."
        )
    return notes


def _workloads(table: Table, connections: int) -> list[str]:
    """What rows are asked for so, in the table's order. The first table has no name for it."""
    found = (row.server.workload for row in table.rows if row.connections == connections)
    return [*dict.fromkeys(found)]


def _title(workload: str, connections: int) -> str:
    return f"{workload}, {many(connections)}" if workload else many(connections)


def _headings(workload: str) -> list[tuple[str, ...]]:
    """Both lines of each column's heading, with the short name of what ratios are formed with."""
    reference = "ours" if workload else "native"
    return [tuple(part.format(reference=reference) for part in c.heading) for c in COLUMNS]


def _cells(table: Table, connections: int, workload: str) -> list[list[str]]:
    headings = [" ".join(part for part in heading if part) for heading in _headings(workload)]
    rows = [
        row
        for row in table.rows
        if (row.connections, row.server.workload) == (connections, workload)
    ]
    cells = ([_cell(column, row, table) for column in COLUMNS] for row in rows)
    return [headings, *cells]


def _cell(column: Column, row: Row, table: Table) -> str:
    return column.cell(
        row, table.best_peer(row) if column.beside_best_peer else table.reference(row)
    )


def _aligned(cells: list[list[str]], workload: str) -> str:
    """Columns side by side, the heading on two lines so that it does not widen them."""
    _, *rows = cells
    headings = [[heading[line] for heading in _headings(workload)] for line in (0, 1)]
    lines = [*headings, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    text_lines = []
    for line in lines:
        padded = [
            f"{cell:<{width}}" if column.left else f"{cell:>{width}}"
            for cell, width, column in zip(line, widths, COLUMNS, strict=True)
        ]
        text_lines.append("  ".join(padded).rstrip())
    return "\n".join(text_lines)


def _indent(lines: Iterable[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)
