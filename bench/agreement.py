"""Whether two results agree: the same ratios, within a tenth.

    python bench/run.py --compare A.json B.json

A ratio is what a result says of a row beside the one it is compared with, and of a promise. A
shared machine drifts from run to run, and ratios are what should not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOLERANCE = 0.10
FIGURES = ("requests_per_second", "cpu_us")
Key = tuple[str, str, int, str]


def main(first: str, second: str) -> int:
    """Print the ratios that differ by more than a tenth; return the exit code."""
    results = [json.loads(Path(name).read_text("utf-8")) for name in (first, second)]
    compared = [*compare(*results)]
    if not compared:
        print("the two results have no ratio in common")
        return 2
    apart = [line for line in compared if line[3] > TOLERANCE]
    for (row, to, connections, figure), one, other, distance in apart:
        print(f"{row} / {to}, {figure}, {connections}: {one:.2f} and {other:.2f} ({distance:.0%})")
    farthest = max(line[3] for line in compared)
    print(
        f"{len(compared)} ratios, {len(apart)} of them more than {TOLERANCE:.0%} apart; "
        f"the farthest {farthest:.0%}"
    )
    return 1 if apart else 0


def compare(
    first: dict[str, Any], second: dict[str, Any]
) -> Iterator[tuple[Key, float, float, float]]:
    """Each ratio that both results have: what it is, its values, and by how much they differ."""
    ones, others = dict(_ratios(first)), dict(_ratios(second))
    for key, one in ones.items():
        other = others.get(key)
        if other is not None:
            yield key, one, other, max(one, other) / min(one, other) - 1


def _ratios(result: dict[str, Any]) -> Iterator[tuple[Key, float]]:
    for row in result["rows"]:
        if row["server"] == row["compared_with"]:
            continue
        for figure in FIGURES:
            ratio = row["ratio_to_reference"][figure]
            if ratio and ratio["median"] > 0:
                key = (row["server"], row["compared_with"], row["connections"], figure)
                yield key, ratio["median"]
    for bound in result["bounds"]:
        ratio = bound["ratio"]
        if ratio and ratio["median"] > 0:
            key = (bound["row"], bound["to"], bound["connections"], bound["figure"])
            yield key, ratio["median"]
