"""A program that uses libgohttp, in a process of its own, and what it answers.

The listening socket is made here and inherited by the program, which names it as `fd:N`: no port is
chosen by a test, and a client that is early waits in the queue of the socket.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# How long anything may take that a test waits for, in seconds.
BOUND = 30.0


class Hosted:
    """A running program: the port of its first socket, and what it has printed."""

    process: subprocess.Popen[str]

    def __init__(self, command: Sequence[str | Path], *, sockets: int = 1, **env: str) -> None:
        """Start `command` with an argument `fd:N` for each listening socket."""
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(sockets)]
        self.ports: list[int] = [listener.getsockname()[1] for listener in listeners]
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._changed = threading.Condition()
        descriptors = [listener.fileno() for listener in listeners]
        self.process = subprocess.Popen(
            [*map(str, command), *(f"fd:{number}" for number in descriptors)],
            env={**os.environ, **env},
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        # From here on a client is refused when the program has gone.
        for listener in listeners:
            listener.close()
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._lines
        ]
        for reader in self._readers:
            reader.start()

    @property
    def port(self) -> int:
        """The port of the first socket."""
        return self.ports[0]

    @property
    def stdout(self) -> str:
        """All that it has printed so far."""
        with self._changed:
            return "".join(self._lines["stdout"])

    @property
    def stderr(self) -> str:
        """All that it has logged so far."""
        with self._changed:
            return "".join(self._lines["stderr"])

    def wait_for(self, text: str, stream: str = "stdout") -> None:
        """Wait until a line with this text has come."""

        def told() -> bool:
            return any(text in line for line in self._lines[stream])

        with self._changed:
            came = self._changed.wait_for(told, BOUND)
        assert came, f"no {text!r} came; it wrote:\n{self.stdout}\n{self.stderr}"

    def wait_until_it_listens(self, port: int) -> None:
        """Wait until a connection to the port is accepted, while the program lives."""
        deadline = time.monotonic() + BOUND
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=BOUND).close()
                return
            except ConnectionRefusedError:
                ended = self.process.poll() is not None
                assert not ended, f"the program has ended; it wrote:\n{self.stderr}"
                assert time.monotonic() < deadline, f"nobody listens on port {port}"
                time.sleep(0.01)

    def ask(
        self,
        target: str = "/",
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> tuple[int, bytes]:
        """Ask for something on a connection of its own; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=BOUND)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ask_raw(self, request: bytes) -> bytes:
        """Send bytes as they are, and return all that comes back until the end."""
        return raw(self.port, request)

    def memory(self) -> int:
        """How many bytes of memory it has in use."""
        for line in (
            Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").split("\n")
        ):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the program has gone")

    def wait(self) -> int:
        """Wait until it has ended by itself and return its exit code."""
        code = self.process.wait(BOUND)
        for reader in self._readers:
            reader.join(BOUND)
        return code

    def kill(self) -> None:
        """End it and all that it started, and reap it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(BOUND)
        for reader in self._readers:
            reader.join(BOUND)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read(self, name: str) -> None:
        stream = getattr(self.process, name)
        for line in stream:
            with self._changed:
                self._lines[name].append(line)
                self._changed.notify_all()


def raw(port: int, request: bytes) -> bytes:
    """Send bytes as they are to a port of this machine, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=BOUND) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


Host = Callable[..., Hosted]
"""Starts a command as `Hosted` does; it ends with the test."""
