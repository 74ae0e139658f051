"""The work that a profile-guided build is optimised for; `maturin build --pgo` runs it.

The compiler builds the extension module twice: the first one counts, while this program runs,
which way every branch goes, and the second is laid out by these counts. What runs here becomes
fast, in proportion, and what does not run counts as rare. So every interface takes part, with few
connections and with many, and the loads are those of users, not those of one benchmark.

Each server is a process of its own that ends by itself: the counts are written as it exits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import training_clients as clients

HERE = Path(__file__).parent
APPS = HERE.parent.parent / "bench" / "apps"
"""Applications of every interface, without a framework: `plain_wsgi.py` and so on."""
DEADLINE = 60.0
"""How long a server may take to begin and to end, in seconds."""

HELLO = 3000
"""How often the shortest request is asked on each connection; all else is a part of it."""


@contextlib.contextmanager
def server(app: str, *options: str) -> Iterator[int]:
    """Serve an application in a process of its own; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "oxbridge", "serve", app]
    command += ["--port", str(port), *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (HERE, APPS)))}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(process, port)
        yield port
        process.send_signal(signal.SIGTERM)
        status = process.wait(DEADLINE)
        if status != 0:
            raise RuntimeError(f"the server of {app} ended with status {status}, not 0")
    finally:
        process.kill()
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(
                f"the server ended with status {process.returncode} before it answered"
            )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not answer within {DEADLINE:.0f} s")


def http(port: int, hello: str = "/") -> None:
    """Ask what every interface answers."""
    plain = clients.request(hello)
    clients.rounds(port, plain, 1, HELLO)
    clients.rounds(port, plain, 10, HELLO)
    clients.rounds(port, plain, 100, HELLO // 10)
    clients.rounds(port, clients.request(hello, browser=True), 10, HELLO // 2)
    for size in (1024, 10 * 1024):
        clients.rounds(port, clients.request("/echo", bytes(size)), 10, HELLO // 10)
    clients.strangers(port, plain, HELLO // 10)


def main() -> None:
    """Keep every interface busy in turn."""
    quiet = "--no-access-log"
    with server("training_mux:mux()", quiet) as port:
        http(port)
        for path in ("/hello/world?q=1", "/inline", "/later"):
            clients.rounds(port, clients.request(path, browser=True), 10, HELLO)
        clients.rounds(port, clients.request("/stream"), 10, HELLO // 20)
        clients.http2(port, ["/", "/hello/world", "/inline", "/later"], HELLO)
    with server("training_mux:coroutines()", quiet) as port:
        http(port)
    with server("plain_wsgi:app", quiet) as port:
        http(port)
        clients.rounds(port, clients.request("/stream"), 10, HELLO // 20)
        clients.http2(port, ["/"] * 4, HELLO // 2)
    with server("plain_asgi:app", quiet) as port:
        http(port)
        clients.rounds(port, clients.request("/stream"), 10, HELLO // 20)
        clients.websockets(port, 10, HELLO)
        clients.http2(port, ["/"] * 4, HELLO // 2)
    with server("plain_rsgi:app", "--interface", "rsgi", quiet) as port:
        http(port)
        clients.websockets(port, 10, HELLO)
    subprocess.run([sys.executable, HERE / "training_cache.py"], check=True)
    # With everything that others switch on.
    with server("plain_wsgi:app", "--compression", "gzip", "--proxy-headers") as port:
        clients.rounds(port, clients.request("/", browser=True), 10, HELLO // 10)


if __name__ == "__main__":
    main()
