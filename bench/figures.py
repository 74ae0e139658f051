"""Figures with a bound: what a check measured, what it must be, and how that is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from machine import cores, machine


@dataclass(frozen=True)
class Figure:
    """One measured value. `least` and `most` are bounds; a figure may have none."""

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def held(self) -> bool:
        """Whether the value is within its bounds."""
        if self.least is not None and self.value < self.least:
            return False
        return self.most is None or self.value <= self.most

    @property
    def bounded(self) -> bool:
        return self.least is not None or self.most is not None

    def __str__(self) -> str:
        text = f"{number(self.value)} {self.unit}".strip()
        wanted = ""
        if self.least is not None:
            wanted = f", wanted at least {number(self.least)}"
        if self.most is not None:
            wanted += f", wanted at most {number(self.most)}"
        mark = ("held  " if self.held else "MISSED") if self.bounded else "      "
        note = f"  ({self.note})" if self.note else ""
        return f"  {mark}  {self.name}: {text}{wanted}{note}"


def finish(check: str, figures: Sequence[Figure], failures: Sequence[str], file: str | None) -> int:
    """Print the figures and what failed, write them as JSON if asked; return the exit code."""
    for figure in figures:
        print(figure)
    for failure in failures:
        print(f"  FAILED  {failure}")
    held = not failures and all(figure.held for figure in figures)
    print(f"{check}: {'held' if held else 'NOT HELD'}", flush=True)
    if file is not None:
        content: dict[str, Any] = {
            "check": check,
            "held": held,
            "machine": asdict(machine(cores())),
            "figures": [{**asdict(figure), "held": figure.held} for figure in figures],
            "failures": [*failures],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        if file == "-":
            sys.stdout.write(text)
        else:
            Path(file).write_text(text, encoding="utf-8")
    return 0 if held else 1


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    # Rounded first: 0.99 * 100 is a little more than 99.
    return ordered[max(-int(-round(share * len(ordered), 6) // 1), 1) - 1]


def ratio(value: float) -> str:
    """One figure divided by another."""
    # 0.01 says less about a slow server than 0.013 does.
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def many(connections: int) -> str:
    """So many connections."""
    return f"{connections} connection{'' if connections == 1 else 's'}"


def number(value: float) -> str:
    """As many digits as a reader needs."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
