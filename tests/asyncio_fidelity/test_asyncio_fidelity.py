"""CPython's own tests of asyncio hold where its selector is the reactor."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CASES = tomllib.loads((HERE / "modules.toml").read_text(encoding="utf-8"))
_ENTRIES = CASES.pop("leave_out")
LEFT_OUT = [pattern for entry in _ENTRIES for pattern in entry.get("tests", ())]
MODULES_LEFT_OUT = {name for entry in _ENTRIES for name in entry.get("modules", ())}

# `OXBRIDGE_TEST_SERVER=asyncio` runs them as they are, to know what they say of this machine.
STOCK = os.environ.get("OXBRIDGE_TEST_SERVER") == "asyncio"
SELECTOR = "selectors:EpollSelector" if STOCK else "oxbridge.eventloop:ReactorSelector"
LOOP = "asyncio:SelectorEventLoop" if STOCK else "oxbridge.eventloop:new_event_loop"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("module", CASES)
def test_cpythons_tests(module: str) -> None:
    if importlib.util.find_spec("test.test_asyncio") is None:
        pytest.skip("needs the interpreter's own tests (Debian: libpython3-testsuite)")
    if importlib.util.find_spec(f"test.test_asyncio.{module}") is None:
        pytest.skip(f"this interpreter has no {module}")
    run = subprocess.run(
        [sys.executable, HERE / "run_cpython_tests.py", module, SELECTOR, LOOP, *LEFT_OUT],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=280,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    assert run.stdout.strip(), run.stderr
    told = json.loads(run.stdout.strip().splitlines()[-1])
    print(f"{told['ran']} ran, {len(told['left_out'])} left out, skipped: {told['skipped']}")
    assert not told["failed"], "\n\n".join(f"{name}\n{why}" for name, why in told["failed"].items())
    assert not told["unexpected"]
    assert told["ran"] > len(told["skipped"])
    assert told["selectors"] > 0, "no loop was made with the selector under test"


def test_no_module_is_forgotten() -> None:
    package = importlib.util.find_spec("test.test_asyncio")
    if package is None:
        pytest.skip("needs the interpreter's own tests (Debian: libpython3-testsuite)")
    places = package.submodule_search_locations or []
    there = {path.stem for place in places for path in Path(place).glob("test_*.py")}
    known = set(CASES) | MODULES_LEFT_OUT
    # Later interpreters have more (introspection, tools): they are looked at when they are met.
    if sys.version_info < (3, 14):
        assert there <= known
    assert set(CASES) & there
