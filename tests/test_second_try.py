"""Failed tests are run once more in CI: listed if they pass then, and failures if not."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

import second_try
from background import Background
from run_tests import Suite
from tally import Tally, report

# Two of them pass from the second time on.
TESTS = """
import pathlib, pytest

def once(name):
    tried = pathlib.Path(__file__).with_name(name)
    if not tried.exists():
        tried.touch()
        raise AssertionError("not yet")

def test_good(): pass
def test_first(): once("first")
def test_second(): once("second")
"""


def run(suite: Suite) -> Tally:
    with Background([], os.environ) as background:
        return suite.run({**os.environ}, background)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return Suite(
        "some", [sys.executable, "-m", "pytest", "--rootdir", str(tmp_path), str(tmp_path)]
    )


@pytest.fixture
def in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")


@pytest.mark.usefixtures("in_ci")
def test_what_passes_the_second_time_is_told(
    suite: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = run(suite)
    assert (tally.passed, tally.failed, tally.failures) == (3, 0, [])
    assert [told.partition(" - ")[0].partition("::")[2] for told in tally.flaky] == [
        "test_first",
        "test_second",
    ]
    assert report([tally], strict=True) == 0
    said = capsys.readouterr().out
    assert "1 passed, 2 failed" not in said.splitlines()[-1]
    assert "passed only when run again, and wants to be mended:\n  " in said
    assert "test_first - AssertionError: not yet\n" in said


@pytest.mark.usefixtures("in_ci")
def test_what_fails_twice_has_failed(suite: Suite, tmp_path: Path) -> None:
    with (tmp_path / "test_some.py").open("a") as file:
        file.write("def test_always(): raise ValueError('never')\n")
    tally = run(suite)
    assert (tally.passed, tally.failed, tally.flaky) == (1, 3, [])
    assert "ValueError: never" in tally.failures[-1]
    assert report([tally], strict=True) == 1


def test_a_crash_is_not_tried_again(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    # Two are known to pytest as those that failed last, and would pass now.
    assert run(suite).failed == 2
    monkeypatch.setenv("CI", "true")
    with (tmp_path / "test_some.py").open("a") as file:
        file.write("import os\ndef test_crash(): os.abort()\n")
    tally = run(suite)
    assert (tally.passed, tally.failed, tally.flaky) == (0, 1, [])
    assert tally.failures == [f"some - ended with status {-signal.SIGABRT}"]


def test_on_a_developers_machine_there_is_one_try(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert (tally := run(suite)).failed == 2, tally
    assert tally.flaky == []


def test_how_tests_of_cargo_are_run_again() -> None:
    cargo = ["cargo", "test", "--workspace", "--", "--show-output"]
    failed = Tally(passed=7, failed=2, failures=["a::b - src/a.rs:3:5: why", "c"])
    assert second_try.command(cargo, failed) == [*cargo, "--exact", "a::b", "c"]
    assert second_try.command(cargo[:3], failed) == [*cargo[:4], "--exact", "a::b", "c"]


@pytest.mark.parametrize(
    "tally",
    [
        # A crash: not every failure has a name.
        Tally(failed=2, failures=["a"]),
        Tally(failed=1, failures=["src/lib.rs - some (line 3)", "x"]),
        Tally(failed=4, failures=["a", "b", "c", "d"]),
        Tally(failed=1),
    ],
)
def test_what_is_no_accident_is_not_tried_again(tally: Tally) -> None:
    assert second_try.command(["cargo", "test"], tally) is None


def test_a_second_try_that_ran_fewer_tests_counts_for_nothing() -> None:
    first = Tally(passed=5, failed=2, failures=["a", "b"])
    assert second_try.merged(first, Tally(passed=1), 0) is first
    assert second_try.merged(first, Tally(passed=2), 1) is first
    assert second_try.merged(first, Tally(passed=2), 0) == Tally(passed=7, flaky=["a", "b"])
