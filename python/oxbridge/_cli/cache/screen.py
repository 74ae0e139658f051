"""The terminal: an alternate screen, one key at a time, and everything as it was in the end."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from types import FrameType


class Screen:
    """A terminal that shows lines and takes keys."""

    def __init__(self, keys: int, out: int) -> None:
        self._keys = keys
        self._out = out
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        try:
            return tuple(os.get_terminal_size(self._out))  # type: ignore[return-value]
        except OSError:
            return tuple(shutil.get_terminal_size())  # type: ignore[return-value]

    def draw(self, lines: list[str]) -> None:
        """Show lines, from the first row on."""
        # What was to the right of each line goes, and in the end what was below them.
        text = "\x1b[H" + "\x1b[K\r\n".join(lines) + "\x1b[K\x1b[J"
        self._write(text.encode("utf-8", "replace"))

    def key(self, timeout: float) -> str | None:
        """Wait for a key; None if none comes in time, "" if the size has changed."""
        ready, _, _ = select.select([self._keys, self._wake_read], [], [], timeout)
        if self._wake_read in ready:
            os.read(self._wake_read, 64)
            return ""
        if self._keys in ready:
            return os.read(self._keys, 16).decode("utf-8", "replace") or "q"
        return None

    def _resized(self, number: int, frame: FrameType | None) -> None:
        # It is full where many are not yet read.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._out, data) :]


@contextlib.contextmanager
def screen() -> Iterator[Screen]:
    """Take the terminal; give it back however it ends."""
    keys, out = sys.stdin.fileno(), sys.stdout.fileno()
    shown = Screen(keys, out)
    before = termios.tcgetattr(keys)
    resized = signal.signal(signal.SIGWINCH, shown._resized)
    ended = signal.signal(signal.SIGTERM, _end)
    try:
        # Signals still come from keys: Ctrl-C is KeyboardInterrupt.
        tty.setcbreak(keys)
        # The alternate screen, and no cursor.
        shown._write(b"\x1b[?1049h\x1b[?25l")
        yield shown
    finally:
        shown._write(b"\x1b[?25h\x1b[?1049l")
        termios.tcsetattr(keys, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, resized)
        signal.signal(signal.SIGTERM, ended)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
