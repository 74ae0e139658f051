"""The C programs of tests/c/suite against the libraries: a result for each of its groups of cases.

A group is one file of the suite and one subject of oxbridge.h. A failure names the case, the place,
what came and what was wanted, as the suite's TAP lines do. test_sanitizers.py runs the same suite
under the tools that look for faults of memory and of threads.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import programs
from cbuild import Prefix, compiler_path

SOURCES = sorted((Path(__file__).parent / "suite").glob("*.c"))
STRICT = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]
GROUPS = [
    group
    for source in SOURCES
    for group in re.findall(r"^CASES\((\w+),", source.read_text(encoding="utf-8"), re.MULTILINE)
]

# What one run may take on a slow and busy machine, in seconds.
BOUND = 300

pytestmark = pytest.mark.needs("gcc", "curl")


@dataclass(frozen=True)
class Run:
    """One run of the whole suite."""

    program: Path
    code: int
    said: str

    def results(self, group: str) -> list[str]:
        """TAP lines of the cases of a group, by what their names begin with."""
        return re.findall(rf"^(?:not )?ok \d+ - {group}: .*$", self.said, re.MULTILINE)

    @property
    def planned(self) -> int:
        """How many cases there were; 0 if the run did not come to its end."""
        plan = re.search(r"^1\.\.(\d+)$", self.said, re.MULTILINE)
        return int(plan[1]) if plan else 0


def start(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the suite's program; standard error is where it says nothing, so that a test can tell."""
    curl = programs.find("curl") or ""
    return subprocess.run(
        command,
        env={**os.environ, programs.variable("curl"): curl},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=BOUND,
        check=False,
    )


@pytest.fixture(scope="module", params=["shared", "static"])
def suite(
    request: pytest.FixtureRequest, c_prefix: Prefix, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """The suite, compiled and run once against each kind of library."""
    program = tmp_path_factory.mktemp(f"suite-{request.param}") / "suite"
    command = [compiler_path("gcc"), *STRICT, f"-I{c_prefix.include}", *map(str, SOURCES)]
    if request.param == "static":
        command += [str(c_prefix.lib / "liboxbridge.a"), *c_prefix.static_needs]
    else:
        command += [f"-L{c_prefix.lib}", "-loxbridge", f"-Wl,-rpath,{c_prefix.lib}"]
    subprocess.run([*command, "-o", str(program)], check=True)
    done = start([str(program)])
    return Run(program, done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize("group", GROUPS)
def test_cases_of(suite: Run, group: str) -> None:
    results = suite.results(group)
    failed = [line for line in results if line.startswith("not ok")]
    assert not failed, "\n".join(failed)
    assert results, f"no case of {group} was run; the suite said:\n{suite.said}"
    if skipped := [line for line in results if "# skip" in line]:
        pytest.skip("; ".join(skipped))


def test_the_run_comes_to_its_end_and_says_nothing_else(suite: Run) -> None:
    lines = suite.said.splitlines()
    results = [line for line in lines if re.match(r"(?:not )?ok \d+ - ", line)]
    assert suite.planned == len(results) == len(lines) - 1, suite.said
    failed = [line for line in results if line.startswith("not ok")]
    assert suite.code == (1 if failed else 0)
    assert not [line for line in failed if " main: " in line]


def test_cases_can_be_listed_and_chosen(suite: Run) -> None:
    listed = start([str(suite.program), "--list"]).stdout.splitlines()
    assert len(listed) == len(set(listed)) == suite.planned - 1
    assert {name.partition(": ")[0] for name in listed} == set(GROUPS)
    chosen = start([str(suite.program), "version: "])
    assert chosen.returncode == 0
    assert chosen.stdout.splitlines()[-1] == f"1..{len(suite.results('version')) + 1}"
    assert start([str(suite.program), "no such case"]).returncode != 0
