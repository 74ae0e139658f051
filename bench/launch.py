"""Servers under measurement: started on their core, asked for the right answer, ended."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients import BadAnswer, dechunk
from material import files

# How long a server may take to accept connections, and to end once it was asked to, in seconds.
START_BOUND = 20.0
END_BOUND = 5.0


class WrongAnswer(Exception):
    """A server does not start, or does not answer as it must. The text is for the reader."""


@dataclass(frozen=True)
class Running:
    """A server that listens on 127.0.0.1, and the process at the root of its tree."""

    pid: int
    port: int

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port


@contextlib.contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Run what follows, and every process started meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def serving(
    command: Sequence[str],
    port: int,
    *cores: int,
    cwd: Path,
    keep_output: bool = True,
    every: float = 0.02,
) -> Iterator[Running]:
    """Start a server pinned to cores, wait until it accepts connections, and end it afterwards.

    What it prints is kept in a file and shown only if it fails; with `keep_output=False` it is
    thrown away, for a server that is made to print a great deal. It is asked `every` so many
    seconds whether it listens. Raises WrongAnswer if it ends or does not listen in time.
    """
    raise_descriptor_limit()
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(tempfile.TemporaryFile())
        with pinned(*cores):
            server = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, "BENCH_FILES": str(files())},
                stdin=subprocess.DEVNULL,
                stdout=output if keep_output else subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                # A group of its own: whatever it starts ends with it.
                start_new_session=True,
            )
        stack.callback(_end, server)
        try:
            _wait_until_it_listens(server, port, every)
        except WrongAnswer as failure:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
            raise WrongAnswer(f"{failure}\n{said}" if said else str(failure)) from None
        yield Running(server.pid, port)


def verify(
    running: Running,
    path: str,
    body: bytes,
    sends: bytes = b"",
    *,
    close: bool = False,
    tls: bool = False,
    times: int = 2,
) -> int:
    """Ask `times` on one connection for 200 and exactly this body; return the whole answer's bytes.

    It is asked for with GET, or, where there is a body to send, with POST; with `close`, on a
    connection that is to be closed then; with `tls`, over TLS, whoever the server says it is.

    Where a server closes after each answer, as gunicorn's sync workers do, a second connection is
    made. Raises WrongAnswer saying what came instead.
    """
    asked = f"{'POST' if sends else 'GET'} {path}"
    head = f"{asked} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n"
    head += f"Content-Length: {len(sends)}\r\n" if sends else ""
    head += "Connection: close\r\n" if close else ""
    request = f"{head}\r\n".encode() + sends
    lengths = set()
    connection = None
    try:
        for _ in range(times):
            connection = connection or _connect(running.address, tls=tls)
            connection.sendall(request)
            raw, content, closed = _whole_answer(connection)
            if not raw.startswith(b"HTTP/1.1 200") or content != body:
                wanted = f"{body[:80]!r} ({len(body)} bytes)" if len(body) > 80 else f"{body!r}"
                raise WrongAnswer(f"{asked}: wanted 200 and {wanted}, got {raw[:300]!r}")
            lengths.add(len(raw))
            if closed:
                connection.close()
                connection = None
    except (BadAnswer, OSError) as failure:
        raise WrongAnswer(f"{asked}: {failure}") from failure
    finally:
        if connection is not None:
            connection.close()
    return max(lengths)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def raise_descriptor_limit(wanted: int = 0) -> int:
    """Allow this process, and those it starts, as many descriptors as possible; return how many.

    The hard limit is raised to `wanted` where it is lower and this user may.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, wanted), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
    return soft


def _wait_until_it_listens(server: subprocess.Popen[bytes], port: int, every: float) -> None:
    deadline = time.monotonic() + START_BOUND
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise WrongAnswer(f"it ended at once, with exit code {server.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            # Nothing announces the moment for a server that is not ours; the pause only saves CPU.
            time.sleep(every)
        else:
            return
    raise WrongAnswer(f"it does not listen on port {port} after {START_BOUND:.0f} s")


def _connect(address: tuple[str, int], *, tls: bool) -> socket.socket:
    connection = socket.create_connection(address, timeout=10)
    if not tls:
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def _whole_answer(connection: socket.socket) -> tuple[bytes, bytes, bool]:
    """Read one answer: as it came, its body, and whether the server closes or wants to."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        part = connection.recv(65536)
        if not part:
            return raw, b"", True
        raw += part
    head, _, content = raw.partition(b"\r\n\r\n")
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    closes = fields.get(b"connection", b"").lower() == b"close"
    chunked = fields.get(b"transfer-encoding", b"").lower() == b"chunked"
    # Without a length the body ends with the connection. No body of the table contains the bytes
    # that the last chunk has.
    length = int(fields[b"content-length"]) if b"content-length" in fields else None
    while (
        not content.endswith(b"0\r\n\r\n") if chunked else length is None or len(content) < length
    ):
        part = connection.recv(65536)
        if not part:
            closes = True
            break
        content += part
    return head + b"\r\n\r\n" + content, dechunk(content) if chunked else content, closes


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, and see to it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(END_BOUND)
            break
    # Workers that outlive a master which ended in a hurry.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
