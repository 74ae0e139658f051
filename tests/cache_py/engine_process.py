"""A real Valkey or Redis on a free port, for a test."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cache_conditions import until

from serving import ROOT, free_port

sys.path.insert(0, str(ROOT / "tools"))
import programs


class Engine:
    """A server that answers, until its `process` is killed."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        if port is None:
            port = free_port()
        self.port = port
        program = programs.find("redis-server")
        assert program is not None
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self.process = subprocess.Popen(
            [program, *options, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
        )
        until(self._answers)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}"

    def ask(self, command: bytes) -> bytes:
        """Send a command as a person would type it; give the beginning of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(1 << 16)

    def _answers(self) -> bool:
        try:
            return self.ask(b"PING").startswith(b"+PONG")
        except OSError:
            return False

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """Run an engine."""
    running = Engine(folder)
    try:
        yield running
    finally:
        running.kill()
