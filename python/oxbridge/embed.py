"""What a Python function that a Rust program calls may ask about its call.

    from oxbridge import embed

    def go_request(method, path, params, query, headers, body):
        for row in rows():
            if embed.cancelled():
                return 503, "", {}
            ...

A call is cancelled when its time is over or its client has left; what the function returns then is
dropped. Coroutine functions need nothing of this: their tasks are cancelled.

Outside such a program, under a test for example, no call is ever cancelled.
"""

from __future__ import annotations

import time
from typing import Protocol, cast


class _Program(Protocol):
    def cancelled(self) -> bool: ...
    def wait_cancelled(self, timeout: float | None = None) -> bool | None: ...


def _program() -> _Program | None:
    """Find the module that the program brings along."""
    try:
        from importlib import import_module

        return cast(_Program, import_module("oxbridge._embed"))
    except ImportError:
        return None


_PROGRAM = _program()


def cancelled() -> bool:
    """Tell whether nobody waits for the answer of the call that runs on this thread any more."""
    return _PROGRAM is not None and _PROGRAM.cancelled()


def wait_cancelled(timeout: float | None = None) -> bool:
    """Wait until nobody waits for this call's answer any more; a `time.sleep` that ends early.

    Returns False when that is not so after `timeout` seconds. On a thread that runs no call, it
    waits for the whole time; without a timeout, that would be for ever.

    Raises:
        RuntimeError: No call runs on this thread, and there is no timeout.
    """
    if _PROGRAM is not None:
        was_cancelled = _PROGRAM.wait_cancelled(timeout)
        if was_cancelled is not None:
            return was_cancelled
    if timeout is None:
        raise RuntimeError("no call runs on this thread, so none will be cancelled")
    time.sleep(max(0.0, timeout))
    return False
