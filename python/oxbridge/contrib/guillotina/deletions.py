"""When keys were taken out of the cache, so that nobody puts back what he read before that."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

# So many keys are remembered; of the others it is only known that it was earlier.
_REMEMBERED = 100_000


class Deletions:
    """Counts what happens to keys. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._last: OrderedDict[str, int] = OrderedDict()
        self._floor = 0
        self._waiting: dict[str, list[Callable[[], object]]] = {}

    @property
    def now(self) -> int:
        """A moment: what is counted from here on is later."""
        with self._lock:
            return self._now

    def last(self, key: str) -> int:
        """When a key was last taken out."""
        with self._lock:
            return self._last.get(key, self._floor)

    def note(self, key: str) -> None:
        """Count that a key was taken out."""
        with self._lock:
            self._now += 1
            self._last[key] = self._now
            self._last.move_to_end(key)
            if len(self._last) > _REMEMBERED:
                self._floor = self._last.popitem(last=False)[1]
            waiting = self._waiting.pop(key, ())
        for tell in waiting:
            tell()

    def note_all(self) -> None:
        """Count that any key may have been taken out."""
        with self._lock:
            self._now += 1
            self._floor = self._now
            self._last.clear()
            waiting = [tell for told in self._waiting.values() for tell in told]
            self._waiting.clear()
        for tell in waiting:
            tell()

    def tell_next(self, key: str, tell: Callable[[], object]) -> None:
        """Have a function called, once, when a key has been taken out the next time."""
        with self._lock:
            self._waiting.setdefault(key, []).append(tell)
