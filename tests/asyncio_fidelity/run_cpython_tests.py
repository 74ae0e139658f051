"""Runs one module of CPython's test.test_asyncio with another selector under asyncio.

    python run_cpython_tests.py MODULE SELECTOR LOOP [LEAVE_OUT ...]

SELECTOR and LOOP are `module:name`: a class of selectors, a function that makes event loops. They
take the places of the selectors that asyncio chooses and of the policy's loop. The last line on
standard output is JSON: what ran, what failed, and how many selectors were made.
"""

from __future__ import annotations

import asyncio
import fnmatch
import importlib
import json
import selectors
import sys
import unittest
from collections.abc import Callable, Iterator
from typing import Any


def main() -> None:
    """Run the module named on the command line."""
    module, selector, loop, *leave_out = sys.argv[1:]
    made = substitute(_named(selector), _named(loop))
    suite = unittest.defaultTestLoader.loadTestsFromName(f"test.test_asyncio.{module}")
    kept = unittest.TestSuite()
    left_out = []
    for test in _tests(suite):
        if any(fnmatch.fnmatch(test.id(), pattern) for pattern in leave_out):
            left_out.append(test.id())
        else:
            kept.addTest(test)
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(kept)
    bad = [*result.failures, *result.errors]
    told = {
        "ran": result.testsRun,
        "skipped": {test.id(): why for test, why in result.skipped},
        "failed": {test.id(): trace for test, trace in bad},
        "unexpected": [test.id() for test in result.unexpectedSuccesses],
        "left_out": left_out,
        "selectors": made(),
    }
    print(json.dumps(told), flush=True)


def substitute(selector: type[Any], loop: Callable[[], Any]) -> Callable[[], int]:
    """Put the selector and the loop where asyncio looks for them; return a count of the former."""
    made = 0
    begin = selector.__init__

    # In place: the loop's maker has the class under its own name.
    def counted(self: Any) -> None:
        nonlocal made
        made += 1
        begin(self)

    selector.__init__ = counted  # type: ignore[method-assign]
    selectors.DefaultSelector = selector  # type: ignore[misc]
    if hasattr(selectors, "EpollSelector"):
        selectors.EpollSelector = selector  # type: ignore[misc]
    unix = asyncio.unix_events  # type: ignore[attr-defined]
    for name in ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):  # until 3.13, from 3.14
        if hasattr(unix, name):
            getattr(unix, name)._loop_factory = staticmethod(loop)
    return lambda: made


def _tests(suite: unittest.TestSuite | unittest.TestCase) -> Iterator[unittest.TestCase]:
    if isinstance(suite, unittest.TestCase):
        yield suite
        return
    for part in suite:
        yield from _tests(part)  # type: ignore[arg-type]


def _named(path: str) -> Any:
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


if __name__ == "__main__":
    main()
