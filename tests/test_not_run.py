"""What failed or could not run is listed by name, whatever its suite; both fail a strict run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tally as tallies
from serving import ROOT
from tally import Tally


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out", Tally(5)),
        ("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured", Tally(5, 2)),
        ("===== 3 passed, 1 skipped in 0.15s =====", Tally(3)),
        ("= 1 failed, 2 passed, 1 xfailed, 1 error in 61.20s (0:01:01) =", Tally(3, 2)),
        ("=============== no tests ran in 0.01s ===============", Tally()),
        ("NOT RUN: oracle::agrees (needs go)", Tally(not_run=["oracle::agrees (needs go)"])),
        ("test soak ... ignored", Tally(not_run=["soak (ignored)"])),
        ("test soak ... ignored, takes long", Tally(not_run=["soak (takes long)"])),
        ("test soak ... ok", Tally()),
        ("it printed NOT RUN: no such thing", Tally()),
        ("test keys::last ... FAILED", Tally(failures=["keys::last"])),
        ("test keys::last - should panic ... FAILED", Tally(failures=["keys::last"])),
        (
            "FAILED tests/test_a.py::test_b - assert 1",
            Tally(failures=["tests/test_a.py::test_b - assert 1"]),
        ),
        (
            "ERROR tests/test_a.py - ImportError: no",
            Tally(failures=["tests/test_a.py - ImportError: no"]),
        ),
        ("ERROR", Tally()),
        (
            "  process didn't exit successfully: `/deps/life-8b` (signal: 11, SIGSEGV: invalid)",
            Tally(failures=["/deps/life-8b - signal: 11, SIGSEGV: invalid"]),
        ),
        ("  process didn't exit successfully: `/deps/life-8b` (exit status: 101)", Tally()),
        (
            "  process didn't exit successfully: `/deps/life-8b` (exit status: 3)",
            Tally(failures=["/deps/life-8b - exit status: 3"]),
        ),
    ],
)
def test_each_kind_of_line_counts_as_what_it_says(line: str, wanted: Tally) -> None:
    tally = Tally()
    tally.read(line)
    assert tally == wanted


def test_a_failure_of_libtest_is_told_with_its_message() -> None:
    tally = Tally()
    for line in (
        "thread 'other' (7) panicked at src/lib.rs:3:9:",
        "on purpose",
        "test keys::last ... FAILED",
        "thread 'keys::last' (8) panicked at tests/keys.rs:12:5:",
        "no key is left",
        "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
    ):
        tally.read(line)
    assert tally.failures == ["keys::last - tests/keys.rs:12:5: no key is left"]


@pytest.mark.parametrize(
    ("tally", "strict", "status"),
    [
        (Tally(passed=1), True, 0),
        (Tally(passed=1, not_run=["a"]), False, 0),
        (Tally(passed=1, not_run=["a"]), True, 1),
        (Tally(passed=1, failed=1, failures=["a - why"]), False, 1),
        (Tally(), False, 1),
    ],
)
def test_the_exit_code_says_how_it_went(
    tally: Tally, strict: bool, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tallies.report([tally], strict=strict) == status
    said = capsys.readouterr().out
    assert f"not run: {len(tally.not_run)}\n" in said
    assert all(f"  {name}\n" in said for name in tally.not_run + tally.failures)
    assert said.endswith(f"{tally.passed} passed, {tally.failed} failed\n")


def test_a_test_that_needs_a_missing_program_is_listed_by_name(tmp_path: Path) -> None:
    (tmp_path / "test_needs.py").write_text(
        """
import programs, pytest
programs.PROGRAMS["absent"] = programs.Program(("no-program-has-this-name",))

@pytest.mark.needs("absent")
def test_marked(): raise AssertionError("must not run")

def test_asks(program): program("absent"); raise AssertionError("must not get here")

def test_runs(): pass
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "conftest"]
        + ["-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT / 'tools'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    tally = Tally()
    for line in done.stdout.splitlines():
        tally.read(line)
    assert tally.passed == 1, done.stdout
    assert tally.failed == 0, done.stdout
    assert sorted(tally.not_run) == [
        "test_needs.py::test_asks (needs absent)",
        "test_needs.py::test_marked (needs absent)",
    ]
