"""The view as lines of text: what fits into so many columns and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from oxbridge._cli.cache.figures import Counts, Look, Node

_BLOCKS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Colors:
    """What begins and ends a color: nothing, where there are none."""

    title: str = "\x1b[1m"
    head: str = "\x1b[2m"
    good: str = "\x1b[32m"
    bad: str = "\x1b[31m"
    warn: str = "\x1b[33m"
    off: str = "\x1b[0m"


PLAIN = Colors("", "", "", "", "", "")


@dataclass(frozen=True)
class _Column:
    """A column: its head, how wide it is, and how badly it is wanted where there is little room."""

    head: str
    width: int
    want: int
    text: Callable[[Counts, float], str]


_COUNTS = (
    _Column("gets/s", 8, 1, lambda c, s: rate(c.gets / s)),
    _Column("hits", 7, 0, lambda c, s: percent(c.hit_rate())),
    _Column("loads/s", 8, 3, lambda c, s: rate(c.loads / s)),
    # Of a class of durations the end is known: no more than that.
    _Column("p50 ≤", 7, 4, lambda c, s: time(c.quantile(0.5))),
    _Column("p99 ≤", 7, 2, lambda c, s: time(c.quantile(0.99))),
    _Column("errors/s", 9, 6, lambda c, s: rate(c.errors / s)),
    _Column("items", 8, 5, lambda c, s: number(c.items)),
    _Column("bytes", 10, 1, lambda c, s: size(c.bytes)),
)
_SHARE = 7
"""Columns that a node's share takes, and with a bar:"""
_SHARE_BAR = 16


def lines(look: Look, width: int, height: int, clock: str, colors: Colors = PLAIN) -> list[str]:
    """Draw a look, in at most so many columns and rows."""
    name_width = max([12, *(len(node.address) for node in look.nodes), *map(len, look.groups)])
    name_width = min(name_width, max(12, width // 3))
    drawn = [_title(look, width, clock, colors), ""]
    columns = _fitting(width - name_width - 1 - _SHARE)
    room = width - name_width - sum(column.width + 1 for column in columns)
    heads = [_left("GROUP", name_width), *(f"{c.head:>{c.width}}" for c in columns)]
    drawn.append(_colored(" ".join(heads), colors.head, colors))
    for name, counts in look.groups.items():
        drawn.append(_row(name, name_width, counts, look.seconds, columns, colors))
    if not look.groups:
        drawn.append("(no groups)")
    drawn.append("")
    heads[0] = _left("NODE", name_width)
    heads.append(f"{'share':>{_SHARE - 1}}")
    drawn.append(_colored(" ".join(heads), colors.head, colors))
    for node in look.nodes:
        if node.problem:
            text = _left(node.address, name_width) + " " + node.problem
            drawn.append(_colored(text[:width], colors.bad, colors))
            continue
        text = _row(node.address, name_width, node.counts, look.seconds, columns, colors)
        drawn.append(f"{text} {_share(node, bar=room >= _SHARE_BAR)}")
    drawn.extend(_notes(look, width, colors))
    if len(drawn) > height:
        hidden = len(drawn) - height + 1
        drawn = [*drawn[: height - 1], _colored(f"… {hidden} more lines", colors.head, colors)]
    return drawn


def _title(look: Look, width: int, clock: str, colors: Colors) -> str:
    answered = sum(not node.problem for node in look.nodes)
    total = len(look.nodes)
    nodes = f"{answered} of {total} nodes" if answered != total else _count(total, "node")
    total_counts = look.total
    parts = [
        "oxbridge cache",
        nodes,
        f"{rate(total_counts.gets / look.seconds)} gets/s",
        f"{percent(total_counts.hit_rate())} hits",
        f"{size(total_counts.bytes)} of {size(total_counts.max_bytes)}",
    ]
    while len("  ".join(parts)) + len(clock) + 2 > width and len(parts) > 1:
        parts.pop()
    text = "  ".join(parts)
    room = max(0, width - len(text) - len(clock))
    shown = text.replace(parts[0], _colored(parts[0], colors.title, colors), 1)
    return shown + " " * room + (clock if room else "")


def _notes(look: Look, width: int, colors: Colors) -> Iterable[str]:
    for node in look.nodes:
        if node.down_for and not node.problem:
            others = _count(node.down_for, "node")
            text = f"{node.address} is left alone by {others}: it did not answer them lately"
            yield _colored(text[:width], colors.warn, colors)
    for deaf in look.deaf:
        text = f"memory of {deaf} is not believed: its second tier is not heard"
        yield _colored(text[:width], colors.warn, colors)


def _fitting(room: int) -> list[_Column]:
    """Take the columns that fit, the most wanted first, in their usual order."""
    chosen: list[_Column] = []
    for column in sorted(_COUNTS, key=lambda column: column.want):
        if sum(c.width + 1 for c in chosen) + column.width + 1 <= room:
            chosen.append(column)
    return [column for column in _COUNTS if column in chosen]


def _row(
    name: str, name_width: int, counts: Counts, seconds: float, columns: list[_Column], c: Colors
) -> str:
    cells = [_left(name, name_width)]
    for column in columns:
        text = f"{column.text(counts, seconds):>{column.width}}"
        if column.head == "hits" and (hit_rate := counts.hit_rate()) is not None:
            color = c.good if hit_rate >= 0.9 else c.warn if hit_rate >= 0.5 else c.bad
            text = _colored(text, color, c)
        elif column.head == "errors/s" and counts.errors:
            text = _colored(text, c.bad, c)
        cells.append(text)
    return " ".join(cells)


def _share(node: Node, *, bar: bool) -> str:
    if not bar or node.share is None:
        return f"{percent(node.share):>{_SHARE - 1}}"
    eighths = round(node.share * 8 * 8)
    drawn = "█" * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")
    return f"{percent(node.share):>{_SHARE - 1}} {drawn}"


def _left(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _colored(text: str, color: str, colors: Colors) -> str:
    return f"{color}{text}{colors.off}" if color else text


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def percent(share: float | None) -> str:
    """Write a share of one."""
    return "-" if share is None else f"{100 * share:.1f}%"


def rate(per_second: float) -> str:
    """Write so many a second."""
    return number(round(per_second)) if per_second >= 10 or not per_second else f"{per_second:.1f}"


def number(count: int) -> str:
    """Write a count in at most seven characters."""
    if count < 100_000:
        return f"{count:,}"
    for unit in ("k", "M", "G", "T"):
        count_of = count / 1000
        if count_of < 9999.5:
            return f"{count_of:,.0f}{unit}" if count_of >= 100 else f"{count_of:.1f}{unit}"
        count = int(count_of)
    return f"{count:.1e}"


def size(count: int) -> str:
    """Write bytes."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} TiB"


def time(micros: int | None) -> str:
    """Write microseconds."""
    if micros is None:
        return "-"
    if micros < 1000:
        return f"{micros} µs"
    return f"{micros / 1000:.3g} ms" if micros < 1_000_000 else f"{micros / 1e6:.3g} s"
