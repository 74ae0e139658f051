"""One worker process, as the supervisor sees it."""

from __future__ import annotations

import enum
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from oxbridge._supervisor.control import Channel, Message

# Once all requests are finished or cut, a worker still has this long to come to its end.
GRACE = 5.0
# The same for one that was told to cut.
CUT_GRACE = 1.0
# How long a worker that is aborted may take to write down where it hangs.
ABORT_GRACE = 2.0
# A lifetime ends up to this share later, so that workers which started together end apart.
JITTER = 0.1

_random = random.SystemRandom()


class State(enum.Enum):
    """How far a worker has come. It only ever goes forward."""

    STARTING = "starting"
    """It loads the application."""
    READY = "ready"
    """It takes connections."""
    STOPPING = "stopping"
    """It takes none any more, and finishes what it has."""


class Due(enum.Enum):
    """Why a worker is to be replaced, in words for the log."""

    RELOAD = "reload"
    REQUESTS = "its number of requests"
    LIFETIME = "its age"
    MEMORY = "its use of memory"


class Worker:
    """A worker process and the line to it. Times are of the monotonic clock, in seconds."""

    def __init__(
        self,
        command: Sequence[str],
        slot: int,
        now: float,
        *,
        descriptors: Sequence[int],
        own_session: bool,
        lifetime: float | None,
    ) -> None:
        """Start the process.

        Args:
            command: The program; the descriptor of its end of the line is added as last argument.
            slot: Its number among the workers that live.
            now: The time.
            descriptors: What it inherits, under the same numbers.
            own_session: Keep a terminal's Ctrl-C, and its input, from it.
            lifetime: At which age it is due; None for never.

        Raises:
            OSError: The process cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self.process = subprocess.Popen(  # noqa: S603 (no shell, and our own words)
                    [*command, str(theirs.fileno())],
                    pass_fds=[*descriptors, theirs.fileno()],
                    start_new_session=own_session,
                    stdin=subprocess.DEVNULL if own_session else None,
                    env=_environment(),
                )
            except BaseException:
                ours.close()
                raise
        self.channel = Channel(ours)
        self.slot = slot
        self.state = State.STARTING
        self.started = now
        self.heard = now
        """When it last gave a sign of life."""
        self.expires = None if lifetime is None else now + lifetime * _random.uniform(1, 1 + JITTER)
        self.due: Due | None = None
        self.replaces: Worker | None = None
        """The worker that is to stop once this one is ready."""
        self.failure: str | None = None
        """Why it could not start, in its own words: a sentence."""
        self.traceback: str | None = None
        self.refused = False
        """It was the application's lifespan that failed."""
        self.late = False
        """It was given up because it did not become ready in time."""
        self.deadline: float | None = None
        """When it is killed unless it has ended."""
        self.killed = False

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def serving(self) -> bool:
        """Whether it takes connections, or will."""
        return self.state is not State.STOPPING

    def messages(self, now: float) -> Iterator[Message]:
        """What it has said; each message is a sign of life."""
        for message in self.channel.receive():
            self.heard = now
            yield message

    def stop(self, now: float, seconds: float | None) -> None:
        """Let it finish its requests within a time, None for any; a later call only shortens it."""
        self.state = State.STOPPING
        if seconds is not None:
            deadline = now + seconds + (GRACE if seconds else CUT_GRACE)
            if self.deadline is None or deadline < self.deadline:
                self.deadline = deadline
        self.channel.send(stop=seconds)

    def abort(self, now: float) -> None:
        """Have a worker that hangs write its stacks to standard error, and end it."""
        self.state = State.STOPPING
        self.killed = True
        self.deadline = now + ABORT_GRACE
        self.process.send_signal(signal.SIGABRT)
        # One that was stopped goes on to die.
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it now."""
        self.killed = True
        self.deadline = None
        self.process.kill()

    def close(self) -> None:
        """Hang up on a process that has ended."""
        self.channel.close()

    def memory(self) -> int:
        """How many bytes of memory it occupies; 0 where the system does not say."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGESIZE")

    @property
    def end(self) -> str:
        """How the process ended, as the end of a sentence."""
        code = self.process.returncode
        if code is None or code >= 0:
            return f"exited with code {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"

    @property
    def reason(self) -> str:
        """Why it could not start: a sentence, and below it the application's traceback."""
        if self.failure is None:
            return f"a worker ended before it was ready: it {self.end}"
        return f"{self.failure}\n{self.traceback.rstrip()}" if self.traceback else self.failure

    def __str__(self) -> str:
        return f"worker {self.slot} (process {self.pid})"


def default_command() -> list[str]:
    """The command line of a worker: this interpreter, with the options it was started with."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *flags, "-m", "oxbridge._worker"]


def _environment() -> Mapping[str, str]:
    """The environment without systemd's account of sockets, which are not the worker's to adopt."""
    ours = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
    return {name: value for name, value in os.environ.items() if name not in ours}
