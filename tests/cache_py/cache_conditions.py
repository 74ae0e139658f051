"""Waiting, in tests, for what other threads are about to do."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition holds; fail the test if it does not in time."""
    deadline = time.monotonic() + seconds
    never = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come to it in time"
        never.wait(0.002)


async def come_to(condition: Callable[[], object]) -> None:
    """Let the loop run until a condition holds. A test that this fails hangs, and is cut."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)
