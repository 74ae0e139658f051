"""Runs the few tests that failed once more, so that a machine that stood still fails no change.

Thousands of tests of sockets, processes and signals run in real time. One of them that fails, and
passes when it is run again, is not passed over: it is named at the end of the run, with what it
said, and wants to be mended. See docs/decisions/0015.
"""

from __future__ import annotations

from tally import Tally

MOST = 3
"""More tests of a suite than these do not fail by accident."""


def command(first: list[str], tally: Tally) -> list[str] | None:
    """Give the command that runs a suite's failed tests alone; None if they cannot be told, or are
    too many.
    """
    names = [failure.partition(" - ")[0] for failure in tally.failures]
    if not names or len(names) != tally.failed or len(names) > MOST:
        return None
    if first[1:3] == ["-m", "pytest"]:
        return [*first, "--last-failed", "--last-failed-no-failures=none"]
    # A name with a space is that of an example in documentation.
    if first[:2] == ["cargo", "test"] and not any(" " in name for name in names):
        end = [] if "--" in first else ["--"]
        return [*first, *end, "--exact", *names]
    return None


def merged(first: Tally, second: Tally, status: int) -> Tally:
    """Give what both tries say, the second of which ended with `status`."""
    if status != 0 or second.failed or second.passed < first.failed:
        return first
    return Tally(
        passed=first.passed + first.failed,
        not_run=first.not_run,
        flaky=[*first.flaky, *first.failures],
    )
