"""What the output of a suite says about its tests, and the sum of all suites."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# How much is repeated at the end of what a failure says of itself; the whole is further up.
TOLD = 400


@dataclass
class Tally:
    """What a suite's output says about its tests."""

    passed: int = 0
    failed: int = 0
    not_run: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """The failed tests by name, each with what it says of itself in a line."""
    flaky: list[str] = field(default_factory=list)
    """Those that passed when they were run again, with what they said the first time."""
    _panicked: int | None = field(default=None, init=False, repr=False, compare=False)

    def read(self, line: str) -> None:
        """Take in one line of output: of libtest, of pytest, or a `NOT RUN:` of any test."""
        if self._panicked is not None:
            # The line after `panicked at` is the message.
            self.failures[self._panicked] = f"{self.failures[self._panicked]} {line.strip()}"[:TOLD]
            self._panicked = None
        elif told := re.match(r"\s*NOT RUN: (.+)", line):
            self.not_run.append(told[1].strip())
        elif ignored := re.match(r"test (.+?) \.\.\. ignored(?:, (.+))?$", line):
            self.not_run.append(f"{ignored[1]} ({ignored[2] or 'ignored'})")
        elif libtest := re.match(r"test result: \w+\. (\d+) passed; (\d+) failed;", line):
            self.passed += int(libtest[1])
            self.failed += int(libtest[2])
        elif failed := re.match(r"test (.+?)(?: - should panic)? \.\.\. FAILED$", line):
            self.failures.append(failed[1])
        elif failed := re.match(r"(?:FAILED|ERROR) (\S.*)", line):
            self.failures.append(failed[1][:TOLD])
        elif ended := re.search(r"didn't exit successfully: `(.+?)` \((.+)\)$", line):
            # Of failed tests libtest has told; whatever else ends it, no test says so.
            if ended[2] != "exit status: 101":
                self.failures.append(f"{ended[1]} - {ended[2]}"[:TOLD])
        elif panicked := re.match(r"thread '(.+?)' (?:\(\d+\) )?panicked at (.+:)$", line):
            self._panic(panicked[1], panicked[2])
        elif re.match(r"=+ .* in [\d.]+s.* =+$", line):
            for count, outcome in re.findall(r"(\d+) (passed|xfailed|failed|errors?)\b", line):
                if outcome in ("passed", "xfailed"):
                    self.passed += int(count)
                else:
                    self.failed += int(count)

    def _panic(self, test: str, place: str) -> None:
        """A test's thread has panicked. libtest says so after it has said that the test failed."""
        if test in self.failures:
            self._panicked = self.failures.index(test)
            self.failures[self._panicked] = f"{test} - {place}"


def report(tallies: Iterable[Tally], *, strict: bool) -> int:
    """Print the sum of all suites; return the exit code it means."""
    total = Tally()
    for tally in tallies:
        total.passed += tally.passed
        total.failed += tally.failed
        total.not_run += tally.not_run
        total.failures += tally.failures
        total.flaky += tally.flaky
    print()
    print(f"not run: {len(total.not_run)}")
    for name in total.not_run:
        print(f"  {name}")
    if strict and total.not_run:
        print("every test must run here, and the ones above did not")
    if total.flaky:
        print("passed only when run again, and wants to be mended:")
    for flaky in total.flaky:
        print(f"  {flaky}")
    if total.failures:
        # At the very end, where whoever sees only the end of a long log finds it.
        print("failed:")
    for failure in total.failures:
        print(f"  {failure}")
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if total.failed or (strict and total.not_run) or not total.passed else 0
