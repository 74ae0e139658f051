"""The benchmark table, in one run: `make bench`, or `python bench/run.py`.

    python bench/run.py                          the whole table, in under nine minutes
    python bench/run.py --only python            some rows, and the one they are compared with
    python bench/run.py --list                   the rows
    python bench/run.py --tables python          WSGI, ASGI and RSGI beside their peers
    python bench/run.py --tables loads           bodies, files, pipelines, TLS, HTTP/2 and others
    python bench/run.py --tables all             everything in one run
    python bench/run.py --compare A B            how well two results agree
    python bench/run.py stall|leak|stream|idle   one promise put to the test; see `--help` of each
    python bench/run.py share|rolling|slow-download|vanish|embed|cache|start|latency|classic

The method, and how to read the figures, is in bench/README.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

import agreement
import machine
import measure
import report
import servers
from bounds import judge
from load import LoadError, Wrk

# Each is a program of its own, check_NAME.py, with _ for -.
CHECKS = ("stall", "leak", "stream", "idle", "share", "rolling", "slow-download", "vanish") + (
    "embed",
    "cache",
    "start",
    "latency",
    "classic",
)


def main(arguments: list[str]) -> int:
    """Run the table or a check; return the exit code."""
    if arguments and arguments[0] in CHECKS:
        check = importlib.import_module(f"check_{arguments[0].replace('-', '_')}")
        status: int = check.main(arguments[1:])
        return status
    asked = _parse(arguments)
    if asked.list:
        width = max(len(server.name) for server in servers.SERVERS)
        for server in servers.SERVERS:
            table = servers.table_of(server) if server.default else "-"
            print(f"{table:6} {server.name:{width}}  {server.about} [{server.versions()}]")
        print("Rows marked - are measured only when --only names them.")
        return 0
    if asked.compare:
        return agreement.main(*asked.compare)
    return _table(asked)


def _table(asked: argparse.Namespace) -> int:
    try:
        wrk = Wrk()
        chosen = servers.select(asked.only, asked.tables)
        if asked.workers > 1:
            chosen = [server for server in chosen if server.scales]
        plan = measure.Plan(chosen, asked.connections, asked.seconds, asked.rounds, asked.workers)
    except (LoadError, ValueError) as failure:
        print(failure, file=sys.stderr)
        return 2
    cores = machine.cores(asked.workers)
    facts = machine.machine(cores)
    if cores.shared:
        _tell("the server and the load share a core, so requests/s mean little")
    _tell(f"about {plan.estimate / 60:.1f} minutes")

    table = measure.measure(plan, cores, wrk, _tell)
    verdicts = judge(table)
    if asked.json:
        content = report.as_json(table, facts, wrk.version, verdicts)
        _write(asked.json, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if asked.markdown:
        _write(asked.markdown, report.markdown(table, facts, wrk.version, verdicts))
    if asked.json != "-":
        print(report.text(table, facts, wrk.version, verdicts), flush=True)
    missed = asked.strict and not all(verdict.held for verdict in verdicts)
    return 1 if table.failed or missed else 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--connections",
        type=_numbers,
        default=[],
        metavar="N,N",
        help="for every row; default: 1,10,100,400 for hellos, 10,100 for all else",
    )
    parser.add_argument("--seconds", type=_positive, default=3, help="of each load; default: 3")
    parser.add_argument("--rounds", type=_positive, default=5, help="default: 5")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="rows whose name contains the text; may be repeated",
    )
    parser.add_argument(
        "--tables",
        type=_tables,
        default=["hello"],
        metavar="NAME,NAME",
        help="of hello, python, loads, or `all`; default: hello",
    )
    parser.add_argument(
        "--python",
        dest="tables",
        action="store_const",
        const=["python"],
        help="the same as --tables python",
    )
    parser.add_argument(
        "--compare", nargs=2, metavar="FILE", help="two results of --json: do their ratios agree?"
    )
    parser.add_argument(
        "--workers",
        type=_workers,
        default=1,
        metavar="N",
        help="worker processes, each with a core; `cores`: as many as there are; default: 1",
    )
    parser.add_argument("--json", metavar="FILE", help="everything; - for standard output")
    parser.add_argument("--markdown", metavar="FILE", help="the table as a page")
    parser.add_argument("--strict", action="store_true", help="fail if a promised ratio is missed")
    parser.add_argument("--list", action="store_true", help="list the rows and measure nothing")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def _workers(text: str) -> int:
    return len(os.sched_getaffinity(0)) if text == "cores" else _positive(text)


def _tables(text: str) -> list[str]:
    if text == "all":
        return [*servers.TABLES]
    for name in (names := text.split(",")):
        if name not in servers.TABLES:
            known = ", ".join(servers.TABLES)
            raise argparse.ArgumentTypeError(f"no table is called {name!r}; there are: {known}")
    return names


def _numbers(text: str) -> list[int]:
    return [_positive(part) for part in text.split(",")]


def _write(name: str, content: str) -> None:
    if name == "-":
        sys.stdout.write(content)
        return
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    _tell(f"wrote {name}")


def _tell(line: str) -> None:
    """Progress goes to standard error, so that the report alone is on standard output."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
