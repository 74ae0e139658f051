"""What a hit costs: `run.py cache`.

In Python, beside a `dict` behind a function, `functools.lru_cache`, cachetools, redis-py over
loopback, and golang/groupcache called through ctypes. Between nodes, beside a Go node of
golang/groupcache: the same key asked for by wrk over loopback, in requests for each second of CPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import environments
import process
from build import CannotBuild, cache_node, go_cache_library, go_cache_node
from figures import Figure, finish
from launch import WrongAnswer, free_port, pinned, serving
from load import LoadError, Wrk
from machine import ROOT, cores
from measure import WARM_UP, Spread
from row import APPS

sys.path.insert(0, str(ROOT / "tools"))
import programs

MOST_NS = 150.0
"""More than a `dict.get` through a function."""
LEAST_CTYPES = 8.0
PATH = "/_groupcache/things/key"
VALUE_BYTES = 1024


def main(arguments: list[str]) -> int:
    """Run the check; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench/run.py cache", description=__doc__)
    parser.add_argument("--only", choices=("hits", "peers"), help="one half; default: both")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    figures: list[Figure] = []
    failures: list[str] = []
    for name in ("hits", "peers") if asked.only is None else (asked.only,):
        try:
            if name == "hits":
                figures += _hits(asked.rounds)
            else:
                figures += _peers(asked.rounds, asked.connections, asked.seconds)
        except (CannotBuild, LoadError, OSError, WrongAnswer) as failure:
            failures.append(f"{name}: {failure}")
    return finish("cache", figures, failures, asked.json)


def _hits(rounds: int) -> list[Figure]:
    redis = programs.find("redis-server")
    if redis is None:
        raise WrongAnswer("redis-server is missing (Debian, Ubuntu: apt install redis-server)")
    library, port, chosen = go_cache_library(), free_port(), cores()
    with tempfile.TemporaryDirectory() as folder:
        server = [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        with (
            serving(server, port, chosen.load, cwd=Path(folder)),
            pinned(chosen.server),
        ):
            command = [environments.python("apps"), "cache_hits.py"]
            done = subprocess.run(
                [*command, str(port), str(library), str(rounds)],
                cwd=APPS,
                capture_output=True,
                text=True,
                timeout=60 + 60 * rounds,
                check=False,
            )
    if done.returncode:
        raise WrongAnswer(f"cache_hits.py: {done.stderr.strip()}")
    taken: dict[str, list[float]] = json.loads(done.stdout)
    figures = []
    for name, values in taken.items():
        spread = _spread(values)
        figures.append(Figure(f"hit: {name}", spread.median, "ns", note=_range(spread)))
    ours = taken["oxbridge.cache Group.get"]
    base = taken["dict.get through a function"]
    more = _spread([one - other for one, other in zip(ours, base, strict=True)])
    figures.append(
        Figure(
            "hit: Group.get more than dict.get through a function",
            more.median,
            "ns",
            most=MOST_NS,
            note=f"{_range(more)}; differences within a round",
        )
    )
    for name, least in (
        ("golang/groupcache by ctypes", LEAST_CTYPES),
        ("redis-py over loopback", None),
    ):
        ratio = _spread([other / one for one, other in zip(ours, taken[name], strict=True)])
        figures.append(
            Figure(f"hit: {name} / Group.get", ratio.median, "times", least, note=_range(ratio))
        )
    return figures


def _peers(rounds: int, connections: list[int], seconds: int) -> list[Figure]:
    port = free_port()
    nodes = {
        "oxbridge node": [str(cache_node()), "v1", str(VALUE_BYTES), str(port)],
        "golang/groupcache node": [str(go_cache_node()), str(VALUE_BYTES), str(port)],
    }
    rates: dict[tuple[str, int], list[float]] = {}
    for number in range(rounds):
        print(f"peers: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        order = list(nodes) if number % 2 else list(reversed(nodes))
        for name in order:
            with serving(nodes[name], port, cores().server, cwd=APPS) as running:
                for count in connections:
                    rate = _rate(running.url(PATH), running.pid, count, seconds)
                    rates.setdefault((name, count), []).append(rate)
    figures = []
    for count in connections:
        for name in nodes:
            spread = _spread([1e6 / rate for rate in rates[name, count]])
            figures.append(
                Figure(
                    f"peer hit of {VALUE_BYTES} bytes, {count} connections: {name}",
                    spread.median,
                    "µs CPU",
                    note=_range(spread),
                )
            )
        ours, theirs = (rates[name, count] for name in nodes)
        ratio = _spread([one / other for one, other in zip(ours, theirs, strict=True)])
        figures.append(
            Figure(
                f"peer hit, {count} connections: requests for each second of CPU, oxbridge / Go",
                ratio.median,
                "times",
                least=1.0,
                note=_range(ratio),
            )
        )
    return figures


def _rate(url: str, pid: int, connections: int, seconds: int) -> float:
    """Requests for each second of the node's CPU."""
    wrk = Wrk()
    with pinned(cores().load):
        wrk.run(url, connections=connections, seconds=WARM_UP)
        before = process.cpu(pid)
        load = wrk.run(url, connections=connections, seconds=seconds)
    used = process.cpu(pid) - before
    if load.trouble or not load.requests:
        raise WrongAnswer(f"{url}: {load.trouble or 'no request was answered'}")
    return load.requests / used.total


def _spread(values: list[float]) -> Spread:
    spread = Spread.of(values)
    # There is at least one round.
    assert spread is not None
    return spread


def _range(spread: Spread) -> str:
    return f"{spread.low:.2f} to {spread.high:.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
