"""Builds that run beside other work, one after the other, on what the processors have left over.

What a late suite of tests is built from is made while the early ones run, which mostly wait:

    with Background(builds, environment) as background:
        ...                                   # the early suites
        outcome = background.finish(build)    # the late one needs it now

Linux groups processes by session to share the processors among the groups (sched(7), "The autogroup
feature"): a build is a session of its own, and the group is what is lowered and raised again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
# How long a build may keep waiting whoever needs it, in seconds.
BOUND = 1500.0
# The nice value of an autogroup that gets one part in seventy of what another one does.
LOWEST = 19


@dataclass(frozen=True)
class Build:
    """One command that builds, by what it makes. `settings` are variables that it is run with."""

    name: str
    command: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Outcome:
    """How a build went: its exit code, all that it wrote, and how long it took, in seconds.

    The code is negative for a build that was ended by a signal, or was not done within its bound.
    """

    status: int
    output: str
    seconds: float


class Background:
    """Runs builds in their order from when it is entered until it is left, which ends them."""

    def __init__(self, builds: Iterable[Build], environment: Mapping[str, str]) -> None:
        """Take the builds, and the environment that they share."""
        self._builds = list(dict.fromkeys(builds))
        self._environment = environment
        self._changed = threading.Condition()
        # Guarded by the condition.
        self._outcomes: dict[Build, Outcome] = {}
        self._current: tuple[Build, int] | None = None
        self._urgent: set[Build] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="builds", daemon=True)

    def finish(self, build: Build, *, bound: float = BOUND) -> Outcome:
        """Wait for a build, which no longer stands back behind others, and say how it went.

        It is ended if it takes longer than the bound from now.
        """
        with self._changed:
            # What comes before it is in its way.
            self._urgent.update(self._builds[: self._builds.index(build) + 1])
            if self._current and self._current[0] in self._urgent:
                _share(self._current[1], 0)
            if not self._changed.wait_for(lambda: build in self._outcomes, bound):
                if self._current and self._current[0] == build:
                    _kill(self._current[1])
                return Outcome(-signal.SIGKILL, f"not done after {bound:g} s more\n", bound)
            return self._outcomes[build]

    def __enter__(self) -> Background:
        """Start the first build."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End what still runs, and start no more."""
        with self._changed:
            self._closed = True
            if self._current:
                _kill(self._current[1])
        self._thread.join()

    def _run(self) -> None:
        for build in self._builds:
            try:
                outcome = self._outcome(build)
            except OSError as failure:
                outcome = Outcome(127, f"{failure}\n", 0)
            if outcome is None:
                return
            with self._changed:
                self._outcomes[build] = outcome
                self._changed.notify_all()

    def _outcome(self, build: Build) -> Outcome | None:
        """Run a build to its end, unless there is no more need of any."""
        began = time.monotonic()
        with tempfile.TemporaryFile() as written:
            process = self._start(build, written.fileno())
            if process is None:
                return None
            # Not reaped yet, so that its number stays its own while it may be signalled.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with self._changed:
                # Its compilers may outlive a build that was ended.
                _kill(process.pid)
                self._current = None
            status = process.wait()
            written.seek(0)
            output = written.read().decode(errors="replace")
        return Outcome(status, output, time.monotonic() - began)

    def _start(self, build: Build, output: int) -> subprocess.Popen[bytes] | None:
        with self._changed:
            if self._closed:
                return None
            process = subprocess.Popen(
                build.command,
                cwd=ROOT,
                env={**self._environment, **build.settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._current = build, process.pid
            if build not in self._urgent:
                _share(process.pid, LOWEST)
                # Within a group, too, it gives way at once. What it starts inherits that.
                os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
            return process


def _share(session: int, nice: int) -> None:
    """Set what a session gets of the processors, where the kernel groups by sessions."""
    for _ in range(10):
        try:
            Path(f"/proc/{session}/autogroup").write_text(str(nice), encoding="ascii")
        except BlockingIOError:
            # It takes one such change in a tenth of a second, unless root asks.
            time.sleep(0.05)
        except OSError:
            return
        else:
            return


def _kill(session: int) -> None:
    """End all processes of a session that did not leave its first group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)
