"""The report: `pages.py RESULT.json [RESULT.json ...]` writes docs/benchmarks.md and its charts.

The results are what `run.py --json` wrote, of one run or of several, checks among them. Every
figure of the page comes from them; the reasons where we are not ahead are those of
`not_ahead.json`, by row.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import interfaces
from charts import STYLE, Bar, chart
from figures import many, number, ratio
from machine import ROOT

HERE = Path(__file__).resolve().parent
OURS = "oxbridge"
FLOOR = "floor"
NAMES = {"": "Hello"}
"""What the first table's rows are asked for has no name of its own."""
HELLOS = ("", *interfaces.HELLOS)
DRAWN = 100
"""The number of connections that charts show."""
MAIN = "benchmarks/main.svg"
MAIN_TITLE = "Hello, world, 100 connections"


def main(arguments: list[str]) -> int:
    """Write the page; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/pages.py", description=__doc__)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, default=ROOT / "docs")
    asked = parser.parse_args(arguments)
    results = [json.loads(file.read_text("utf-8")) for file in asked.results]
    reasons = json.loads((HERE / "not_ahead.json").read_text("utf-8"))
    pages = make(results, reasons)
    for name, content in pages.items():
        file = asked.into / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8")
        print(file)
    return 0


def make(results: list[dict[str, Any]], reasons: dict[str, str]) -> dict[str, str]:
    """Make the page, the charts, and the page that a browser shows, by their names below docs/."""
    tables = [result for result in results if "rows" in result]
    checks = [result for result in results if "check" in result]
    everything = [row for result in tables for row in result["rows"]]
    rows = [row for row in everything if row["figures"]]
    charts = {MAIN: _main_chart(rows)}
    sections: list[str] = []
    for workload in dict.fromkeys(row["workload"] for row in rows):
        of_workload = [row for row in rows if row["workload"] == workload]
        title = NAMES.get(workload, workload)
        drawn = _drawn(of_workload)
        name = f"benchmarks/{_slug(title)}.svg"
        charts[name] = chart(
            f"{title}, {many(drawn[0]['connections'])}", "requests/s, median", list(_bars(drawn))
        )
        sections += [f"### {title}", _picture(name, title)]
        for connections in dict.fromkeys(row["connections"] for row in of_workload):
            group = [row for row in of_workload if row["connections"] == connections]
            sections += [f"{many(connections).capitalize()}:", _table(group)]
    parts = [
        "# Benchmarks",
        "Made by `bench/pages.py` of results of `make bench`. How they are taken, and how to read "
        "them: [bench/README.md](../bench/README.md). Where the time goes, and what was tried: "
        "[performance.md](performance.md).",
        _picture(MAIN, MAIN_TITLE),
        "## Where we are not ahead",
        _behind(rows, reasons) or "Nowhere in these results.",
        "## Promised ratios",
        _bounds(tables),
        *(["## Other promises", *map(_check, checks)] if checks else []),
        *(["## Not measured", missing] if (missing := _missing(everything)) else []),
        "## Rows",
        *sections,
        "## Machine and versions",
        *map(_machine, tables),
    ]
    page = "\n\n".join(parts) + "\n"
    return {"benchmarks.md": page, "benchmarks/index.html": _html(charts), **charts}


def _main_chart(rows: list[dict[str, Any]]) -> str:
    """The hello of every language and interface, and for each server that has several its best."""
    hellos = [row for row in rows if row["workload"] in HELLOS]
    best: dict[str, Bar] = {}
    for row in _drawn(hellos):
        name = _short(row)
        if row["workload"]:
            way = row["workload"].split()[0]
            name = f"{name.removesuffix(' st').removesuffix(' mt')}, {way}"
        bar = Bar(name, _rate(row), f"{_rate(row):,.0f}", _kind(row))
        if name not in best or best[name].value < bar.value:
            best[name] = bar
    bars = sorted(best.values(), key=lambda bar: bar.value, reverse=True)
    return chart(MAIN_TITLE, "requests/s on one core, median", bars)


def _drawn(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the number of connections that is drawn: 100, or else the most there are."""
    numbers = {row["connections"] for row in rows}
    chosen = DRAWN if DRAWN in numbers else max(numbers, default=0)
    return [row for row in rows if row["connections"] == chosen]


def _picture(name: str, title: str) -> str:
    return f'<img src="{name}" alt="{title}" width="560">'


def _missing(rows: list[dict[str, Any]]) -> str:
    """Rows that a server or its environment kept from being measured, and why."""
    lines = {
        f"- {row['server']}: {row['failures'][0].splitlines()[0]}"
        for row in rows
        if row["failures"]
    }
    return "\n".join(sorted(lines))


def _check(result: dict[str, Any]) -> str:
    """What one of the checks has found."""
    lines = [f"`make bench ARGS={result['check']}`:", "", "| | measured | wanted | |"]
    lines.append("|:--|--:|--:|:--|")
    for figure in result["figures"]:
        wanted = _wanted(figure)
        held = ("held" if figure["held"] else "**missed**") if wanted else ""
        note = f" ({figure['note']})" if figure["note"] else ""
        value = f"{number(figure['value'])} {figure['unit']}".strip()
        lines.append(f"| {figure['name']}{note} | {value} | {wanted} | {held} |")
    lines += [f"| {failure} | failed | | |" for failure in result["failures"]]
    return "\n".join(lines)


def _short(row: dict[str, Any]) -> str:
    """The server's name without the workload's."""
    name: str = row["server"]
    return name.removeprefix(f"{row['workload']}: ")


def _kind(row: dict[str, Any]) -> str:
    name = _short(row)
    return FLOOR if name.startswith(FLOOR) else "ours" if name.startswith(OURS) else "bar"


def _rate(row: dict[str, Any]) -> float:
    return float(row["figures"]["requests_per_second"]["median"])


def _bars(group: list[dict[str, Any]]) -> Iterator[Bar]:
    for row in sorted(group, key=_rate, reverse=True):
        yield Bar(_short(row), _rate(row), f"{_rate(row):,.0f}", _kind(row))


def _table(group: list[dict[str, Any]]) -> str:
    beside = "native" if any(_short(row) == "oxbridge native" for row in group) else "ours"
    lines = [
        f"| | requests/s | min to max | ÷ {beside} | ÷ best peer | CPU µs | p50 µs | p99 µs "
        "| p99.9 µs | peak MiB | errors |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|:--|",
    ]
    for row in sorted(group, key=_rate, reverse=True):
        figures = row["figures"]
        spread = figures["requests_per_second"]
        name = f"**{_short(row)}**" if _kind(row) == "ours" else _short(row)
        errors = ", ".join(f"{count} {kind}" for kind, count in row["errors"].items()) or "0"
        lines.append(
            f"| {name} | {spread['median']:,.0f} | {spread['low']:,.0f} to {spread['high']:,.0f} "
            f"| {_ratio(row['ratio_to_reference']['requests_per_second'])} "
            f"| {_ratio(row['ratio_to_best_peer'])} "
            f"| {figures['cpu_us']['median']:.2f} "
            f"| {_time(figures['p50_us'])} | {_time(figures['p99_us'])} "
            f"| {_time(figures['p999_us'])} "
            f"| {figures['peak_bytes']['median'] / 2**20:.1f} | {errors} |"
        )
    return "\n".join(lines)


def _time(spread: dict[str, float]) -> str:
    """Microseconds; nothing where the load generator told none."""
    return f"{spread['median']:,.0f}" if spread["median"] else ""


def _ratio(spread: dict[str, float] | None) -> str:
    return ratio(spread["median"]) if spread else ""


def _behind(rows: list[dict[str, Any]], reasons: dict[str, str]) -> str:
    """Peers that are ahead of ours of the same kind, or whose p99 is lower where we are ahead."""
    lines = []
    for row in rows:
        if _kind(row) != "bar":
            continue
        ratios = {
            name: spread and spread["median"] for name, spread in row["ratio_to_ours"].items()
        }
        by_cpu = row["judged_by"] == "cpu_us"
        told = ratios["cpu_us"] if by_cpu else ratios["requests_per_second"]
        if told is None:
            continue
        if told < 1 if by_cpu else told > 1:
            what = f"{'CPU' if by_cpu else 'requests/s'}: {told:.2f} of ours"
        elif ratios["p99_us"] and ratios["p99_us"] < 1:
            what = f"p99: {ratios['p99_us']:.2f} of ours"
        else:
            continue
        if what.startswith("p99"):
            reason = reasons.get("p99", "")
        elif row["connections"] == 1:
            reason = reasons.get("1 connection", "")
        else:
            reason = next((text for key, text in reasons.items() if key in row["server"]), "")
        name = f"{row['server']}, {many(row['connections'])}"
        lines.append(f"| {name} | {what} | {reason} |")
    head = ["| row | what | why, and what it would take |", "|:--|:--|:--|"]
    return "\n".join([*head, *lines]) if lines else ""


def _bounds(results: list[dict[str, Any]]) -> str:
    lines = ["| | | wanted | measured | |", "|:--|:--|--:|--:|:--|"]
    for result in results:
        for bound in result["bounds"]:
            if bound["ratio"] is None:
                continue
            measured = bound["ratio"]
            lines.append(
                f"| {bound['row']} ÷ {bound['to']}, {bound['figure']} "
                f"| {many(bound['connections'])} | {_wanted(bound)} "
                f"| {measured['median']:.2f} ({measured['low']:.2f} to {measured['high']:.2f}) "
                f"| {'held' if bound['held'] else '**missed**'} |"
            )
    return "\n".join(lines)


def _wanted(promised: dict[str, Any]) -> str:
    """The bound of a ratio or of a figure, if it has one."""
    least, most = promised["least"], promised["most"]
    return f"≥ {least:,}" if least is not None else f"≤ {most:,}" if most is not None else ""


def _machine(result: dict[str, Any]) -> str:
    machine, method = result["machine"], result["method"]
    versions = dict.fromkeys(
        f"- {row['server']}: {row['about']} ({row['versions']})" for row in result["rows"]
    )
    facts = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{machine['system']}, {machine['kernel']}; {machine['taken']}, commit "
        f"{machine['commit']}; wrk {result['load_generator']}, h2load {method['h2load']}; "
        f"{method['rounds']} rounds of "
        f"{method['seconds']} s; the most that others took of the server's core: "
        f"{max(_others(result['rows']), default=0):.0%}."
    )
    return facts + "\n\n" + "\n".join(versions)


def _others(rows: Iterable[dict[str, Any]]) -> Iterator[float]:
    return (row["figures"]["others_busy"]["median"] for row in rows if row["figures"])


def _html(charts: dict[str, str]) -> str:
    """All charts on one page, as a browser shows them; their style is the same and there once."""
    drawn = (svg.replace(STYLE, "", 1) for svg in charts.values())
    figures = "\n".join(
        f"<figure>{svg.replace('<svg ', '<svg class=chart ', 1)}</figure>" for svg in drawn
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape('Oxbridge: benchmarks')}</title>\n"
        "<style>:root{color-scheme:light dark}body{margin:0;background:#fff}"
        "main{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(360px,100%),1fr));"
        "gap:8px;max-width:1200px;margin:auto}figure{margin:0}.chart{display:block;width:100%}"
        "@media (prefers-color-scheme:dark){body{background:#0d1117}}</style>\n"
        f"{STYLE}</head>\n"
        f"<body><main>\n{figures}\n</main></body></html>\n"
    )


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
