"""Builds in the background: in order, out of the way until needed, and gone with the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import run_tests
from background import Background, Build
from run_tests import Suite
from tally import Tally


def python(source: str, *arguments: str) -> tuple[str, ...]:
    """Command line of a build that is a piece of Python."""
    return (sys.executable, "-c", source, *arguments)


# Says its process's number through the first pipe, and ends when the second one is closed.
UNTIL_TOLD = """
import os, sys
said, told = sys.argv[1:]
with open(said, "w") as out: out.write(str(os.getpid()))
open(told).read()
print("told")
"""


class Held:
    """A build that runs until it is let go."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self._said, self._told = place / "said", place / "told"
        os.mkfifo(self._said)
        os.mkfifo(self._told)
        arguments = (str(self._said), str(self._told))
        self.build = Build(place.name, python(UNTIL_TOLD, *arguments))

    def process(self) -> int:
        """Number of its process, as soon as it runs."""
        return int(self._said.read_text(encoding="ascii"))

    def let_go(self) -> None:
        """Have it end by itself."""
        self._told.write_text("", encoding="ascii")


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path / "held")


def autogroup(process: int) -> int | None:
    """Nice value of a process's session, where the kernel groups by sessions."""
    try:
        said = Path(f"/proc/{process}/autogroup").read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    return int(said.split()[-1]) if said.strip() else None


def test_builds_run_in_their_order_and_say_what_they_wrote() -> None:
    first = Build("first", python("import os; print('built', os.environ['WHAT'])"), {"WHAT": "it"})
    second = Build("second", python("import sys; sys.exit('cannot')"))
    with Background([first, second, first], {**os.environ, "WHAT": "nothing"}) as background:
        failed = background.finish(second)
        assert (failed.status, failed.output) == (1, "cannot\n")
        # It came before, and a build asked for twice is made once.
        made = background.finish(first)
        assert (made.status, made.output) == (0, "built it\n")
        assert background.finish(first) is made


def test_a_build_that_cannot_be_started_says_so() -> None:
    absent = Build("absent", ("/no/such/program",))
    after = Build("after", python("print('built')"))
    with Background([absent, after], os.environ) as background:
        assert "/no/such/program" in background.finish(absent).output
        assert background.finish(absent).status != 0
        assert background.finish(after).output == "built\n"


def test_a_build_gives_way_until_it_is_needed(held: Held) -> None:
    with Background([held.build], os.environ) as background:
        process = held.process()
        # Set right after its start, and so perhaps after it has told its number.
        while os.sched_getscheduler(process) != os.SCHED_IDLE:
            os.sched_yield()
        grouped = autogroup(process) is not None
        assert not grouped or autogroup(process) == 19

        waiting = threading.Thread(target=background.finish, args=[held.build])
        waiting.start()
        while grouped and autogroup(process) != 0:
            os.sched_yield()
        held.let_go()
        waiting.join()
        assert background.finish(held.build).output == "told\n"


def test_a_build_that_takes_too_long_is_ended(held: Held) -> None:
    after = Build("after", python("print('built')"))
    with Background([held.build, after], os.environ) as background:
        held.process()
        late = background.finish(held.build, bound=0.01)
        assert late.status == -signal.SIGKILL
        assert "not done after 0.01 s" in late.output
        assert background.finish(after).output == "built\n"


def test_no_build_outlives_the_run(tmp_path: Path, held: Held) -> None:
    made = tmp_path / "made"
    never = Build("never", python("import sys; open(sys.argv[1], 'w')", str(made)))
    with Background([held.build, never], os.environ):
        process = held.process()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert not made.exists()


@pytest.fixture
def counting() -> Suite:
    """A suite of one test that passes."""
    said = "test result: ok. 1 passed; 0 failed; 0 ignored"
    return Suite("counting", [sys.executable, "-c", f"print({said!r})"])


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def test_a_suite_is_run_once_it_is_built(
    counting: Suite, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    counting.builds.append(Build("it", python("print('a line of no interest')")))
    with Background(counting.builds, environment) as background:
        assert counting.run(environment, background) == Tally(passed=1)
    said = capsys.readouterr().out
    assert "-- counting: it took 0 s\n" in said
    assert "no interest" not in said


def test_a_suite_that_cannot_be_built_has_failed_and_says_why(
    counting: Suite, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    counting.builds.append(Build("it", python("raise SystemExit('error: a comma is missing')")))
    with Background(counting.builds, environment) as background:
        tally = counting.run(environment, background)
    assert (tally.passed, tally.failed) == (0, 1)
    assert tally.failures[0].startswith(f"counting - was not built: {sys.executable}")
    assert "error: a comma is missing\n-- counting: failed (1): " in capsys.readouterr().out


def test_a_suite_that_measures_no_time_is_run_in_the_background(
    counting: Suite, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    counting.timed = False
    crashed = Suite("crashed", list(python("import os; os.abort()")), timed=False)
    with Background([*counting.beside, *crashed.beside], environment) as background:
        assert counting.run(environment, background) == Tally(passed=1)
        assert "1 passed; 0 failed" in capsys.readouterr().out
        aborted = [f"crashed - ended with status {-signal.SIGABRT}"]
        assert crashed.run(environment, background) == Tally(failed=1, failures=aborted)


def test_a_run_that_is_terminated_leaves_no_build_behind(held: Held) -> None:
    source = f"""
import run_tests, sys
from background import Build
build = Build("held", {held.build.command!r})
run_tests.suites = lambda: [run_tests.Suite("held", ["true"], builds=[build])]
sys.argv[1:] = ["--no-install"]
sys.exit(run_tests.main())
"""
    tools = Path(run_tests.__file__).parent
    with subprocess.Popen(
        [sys.executable, "-c", source],
        env={**os.environ, "PYTHONPATH": str(tools)},
        stdout=subprocess.DEVNULL,
    ) as run:
        try:
            process = held.process()
            run.terminate()
            assert run.wait(30) == 128 + signal.SIGTERM
        finally:
            run.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
