"""Signal handlers for as long as somebody waits, and those from before again afterwards."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any


@contextlib.contextmanager
def handled(
    handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], None]],
) -> Iterator[None]:
    """Have signals handled by these functions while the block lasts. Only for the main thread."""
    before: dict[signal.Signals, Any] = {}
    try:
        for number, handler in handlers.items():
            # None: a handler that was not installed from Python, and could not be put back.
            if signal.getsignal(number) is not None:
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
