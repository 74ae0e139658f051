"""Whether a process grows with what it does."""

from __future__ import annotations

from collections.abc import Callable

MIB = 1 << 20
ROUNDS = 3


def assert_no_leak(work: Callable[[int], object], resident: Callable[[], int], most: int) -> None:
    """Fail if each round of work makes a process larger by `most` bytes.

    A leak does in every round, the heaps of threads only in some: how many threads are at work at
    once, and what they free in which order, is up to the system. Ends with the first round that is
    small. `work` is given the number of the round; `resident` tells the bytes in memory, once all
    is done.
    """
    before = resident()
    grown = []
    for number in range(ROUNDS):
        work(number)
        after = resident()
        grown.append((after - before) / MIB)
        if after - before < most:
            return
        before = after
    told = ", ".join(f"{each:.1f}" for each in grown)
    raise AssertionError(f"MiB more after each of {ROUNDS} rounds: {told}")
