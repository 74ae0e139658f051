"""How long to wait before the next worker is started in place of one that failed."""

from __future__ import annotations

import math

# A pause that is no failure's.
MOMENT = 0.1
# Who lived so long did not fail because of how it was started.
STEADY = 60.0


class Backoff:
    """A pause that doubles with each failure. Times are in seconds, on the monotonic clock."""

    def __init__(self, first: float, longest: float) -> None:
        """Describe the pauses: the first one, and the one past which they do not grow."""
        self._first = first
        self._longest = longest
        self._pause = 0.0
        self.until = -math.inf
        """No worker should be started before this time."""

    def fail(self, now: float, lived: float) -> float:
        """Note that a worker died at the age `lived`; returns how long to wait from now on.

        Deaths within a pause are one failure: what kills several workers at once is not made worse
        by their number.
        """
        if now >= self.until:
            again = self._pause > 0 and lived < STEADY
            self._pause = min(2 * self._pause, self._longest) if again else self._first
            self.until = now + self._pause
        return self.until - now

    def reset(self) -> None:
        """Forget the failures: what is started next differs from what failed."""
        self._pause = 0.0
        self.until = -math.inf

    def hold(self, now: float) -> None:
        """Wait a moment without a failure."""
        self.until = max(self.until, now + MOMENT)
