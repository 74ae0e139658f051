"""The instance that `cached` uses where it is given none: alone, and made when first wanted."""

from __future__ import annotations

import os
import threading

from oxbridge.cache._instance import Instance

_lock = threading.Lock()
_instance: Instance | None = None


def default_instance() -> Instance:
    """Give the process's default instance, which has no peers.

    It is made anew in a forked child, and after it was closed.
    """
    global _instance  # noqa: PLW0603
    instance = _instance
    if instance is not None and not instance.closed:
        return instance
    with _lock:
        if _instance is None or _instance.closed:
            _instance = Instance()
        return _instance


def _forget_lock() -> None:
    """In a forked child, where whoever held the lock is not."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_lock)
