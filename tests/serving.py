"""A server in a process of its own, started for one test and gone after it.

No test chooses a port: the server binds port 0, and its start line on standard error says where it
listens (`Serving on http://127.0.0.1:40123`, or `Serving app:app (WSGI) on http://127.0.0.1:40123`).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

# The start line: what is served, if it says so, and where.
STARTED = r"Serving (?:\S.* )?on (\S+)"
# How long a server may take to say where it listens, and to end once it was asked to, in seconds.
BOUND = 20.0


def free_port() -> int:
    """Give a port that nobody listens on now, for what cannot say which one it took."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


class Served:
    """A running server: its address, its process, and what it has written to standard error."""

    url: str
    """Where it listens, as in the start line, without a slash at the end."""

    process: subprocess.Popen[str]

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        started: str = STARTED,
    ) -> None:
        """Start the command and wait for its start line. HOST and PORT tell it to take a free port.

        Raises AssertionError, with all that the process wrote, when no such line comes.
        """
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            [*command],
            cwd=cwd,
            env={
                **os.environ,
                "HOST": "127.0.0.1",
                "PORT": "0",
                "PYTHONUNBUFFERED": "1",
                **(env or {}),
            },
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # Its own group, so that workers it starts are killed with it.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.url = self.wait_for_line(started)[1].rstrip("/,.")
        except BaseException:
            self.kill()
            raise

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        port = urlsplit(self.url).port
        assert port is not None, f"no port in {self.url}"
        return port

    @property
    def stderr(self) -> str:
        """All that it has written to standard error so far."""
        with self._changed:
            return "".join(self._lines)

    def wait_for_line(self, pattern: str, timeout: float = BOUND) -> re.Match[str]:
        """Wait for a line on standard error in which the pattern is found; past lines count."""
        match: re.Match[str] | None = None
        seen = 0

        def told() -> bool:
            nonlocal match, seen
            while match is None and seen < len(self._lines):
                match = re.search(pattern, self._lines[seen])
                seen += 1
            return match is not None or self._ended

        with self._changed:
            self._changed.wait_for(told, timeout)
            if match is not None:
                return match
            state = "ended" if self._ended else f"ran on for {timeout:g} s"
            written = "".join(self._lines) or "(nothing)"
        raise AssertionError(f"no line with {pattern!r}: the server {state}; it wrote:\n{written}")

    def stop(self, by: signal.Signals = signal.SIGTERM, timeout: float = BOUND) -> int:
        """Ask the server to stop, wait for its end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.wait(timeout)

    def wait(self, timeout: float = BOUND) -> int:
        """Wait for the server to end by itself and return its exit code."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code

    def kill(self) -> None:
        """End the server and all that it started, now, and reap it. It may have ended before."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(BOUND)
        self._reader.join(BOUND)
        if self.process.stderr is not None and not self._reader.is_alive():
            self.process.stderr.close()

    def _read(self) -> None:
        stream = self.process.stderr
        assert stream is not None  # stderr=PIPE
        for line in stream:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def python_command(script: Path, *arguments: str) -> list[str]:
    """Command line that runs a script with the interpreter of this test run."""
    return [sys.executable, str(script), *arguments]


class Serve(Protocol):
    """Starts a command and returns once the server listens. It ends with the test."""

    def __call__(
        self, *command: str, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Served: ...


class ServeExample(Protocol):
    """Starts `examples/NAME` on a free port and returns once it listens. It ends with the test."""

    def __call__(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> Served: ...


class ServeSource(Protocol):
    """Starts Python source, dedented, as a script on a free port. It ends with the test."""

    def __call__(self, source: str, *, env: dict[str, str] | None = None) -> Served: ...
