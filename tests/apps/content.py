"""What the applications of this folder answer, and what their tests expect of them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

GREETING = "Grüße, 世界"
"""The text of `/json`."""

PIECES = [bytes([65 + n]) * 65536 for n in range(16)]
"""What `/stream` answers, in pieces: a mebibyte."""

LARGE = bytes(range(256)) * (8 * 4096)
"""The body of `/large`: eight mebibytes that are not all the same."""

FILE = Path(__file__).resolve()
"""What `/file` sends, as the attachment `content.txt`."""


def digest(pieces: Iterator[bytes]) -> dict[str, object]:
    """Size and SHA-256 of what comes in pieces."""
    size, sha256 = 0, hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        sha256.update(piece)
    return {"size": size, "sha256": sha256.hexdigest()}


def ticks() -> Iterator[bytes]:
    """Events without end, for a client that leaves."""
    for n in itertools.count():
        yield b"data: %d %s\n\n" % (n, b"." * 4000)
