"""Bars as SVG: readable on a phone, in light and dark, without a script or a font of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 360
"""Units across. As wide as a phone's screen, so that text keeps its size there."""
_MARGIN = 12
_TEXT = 13
_ROW = 36
_BAR = 11

STYLE = """\
<style>text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1f2328}
.title{font-weight:600;font-size:15px}.quiet{fill:#59636e;font-size:12px}
.value{text-anchor:end;font-variant-numeric:tabular-nums}
.page{fill:#ffffff}.bar{fill:#afb8c1}.ours{fill:#1a7f37}.floor{fill:#d1d9e0}
@media (prefers-color-scheme:dark){
text{fill:#f0f6fc}.quiet{fill:#9198a1}.page{fill:#0d1117}.bar{fill:#656c76}.ours{fill:#3fb950}
.floor{fill:#3d444d}}</style>
"""
"""What makes charts readable by day and by night. Each has it; a page of many needs it once."""


@dataclass(frozen=True)
class Bar:
    """One bar: what it stands for, how long it is, and what is written at its end."""

    name: str
    value: float
    text: str
    kind: str = "bar"
    """`ours`, `floor` for what is no server, or `bar`."""


def chart(title: str, note: str, bars: Sequence[Bar]) -> str:
    """Draw bars below each other, as long as their values; names and values stand above them."""
    top = _MARGIN + 20 + (18 if note else 0)
    height = top + _ROW * len(bars) + _MARGIN
    most = max((bar.value for bar in bars), default=0.0) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(_told(title, bars), quote=True)}">',
        STYLE.rstrip(),
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{_MARGIN}" y="{_MARGIN + 12}">{escape(title)}</text>',
    ]
    if note:
        parts.append(f'<text class="quiet" x="{_MARGIN}" y="{_MARGIN + 30}">{escape(note)}</text>')
    for number, bar in enumerate(bars):
        y = top + _ROW * number
        length = (WIDTH - 2 * _MARGIN) * bar.value / most
        parts += [
            f'<text x="{_MARGIN}" y="{y + _TEXT + 2}">{escape(bar.name)}</text>',
            f'<text class="value" x="{WIDTH - _MARGIN}" y="{y + _TEXT + 2}">'
            f"{escape(bar.text)}</text>",
            f'<rect class="{bar.kind}" x="{_MARGIN}" y="{y + 19}" rx="2" '
            f'width="{max(length, 1):.1f}" height="{_BAR}"/>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _told(title: str, bars: Sequence[Bar]) -> str:
    """What a reader hears who does not see."""
    return f"{title}: " + "; ".join(f"{bar.name} {bar.text}" for bar in bars)
