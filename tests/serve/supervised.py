"""A supervisor under test, requests to it, and a load that counts what fails."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from oxbridge._cli.options import BY_NAME
from serving import Serve, Served

# How long anything may take before it counts as failed, in seconds.
BOUND = 20.0
# A bound on the start of a worker asks for a supervisor also where there is one worker.
DEFAULTS = {"bind": ["127.0.0.1:0"], "workers": 2, "worker_timeout": 60, "access_log": False}

APP = """
    import os, threading
    from oxbridge import Mux

    mux = Mux()
    VERSION = "one"

    @mux.route("GET /")
    def index(w, req):
        w.write(f"{os.getpid()} {VERSION}")

    @mux.route("GET /slow")
    def slow(w, req):
        w.write("begun\\n")
        w.flush()
        open(req.query["until"]).close()  # a fifo: opens when the test opens the other end
        w.write("ended\\n")

    @mux.route("GET /forever")
    def forever(w, req):
        w.write("begun\\n")
        w.flush()
        threading.Event().wait()

    def wsgi(environ, start_response):
        if environ["PATH_INFO"] == "/hang":
            threading.Event().wait()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{os.getpid()} {VERSION}".encode()]

    async def asgi(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/hang":
            threading.Event().wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{os.getpid()} {VERSION}".encode()})

    class Rsgi:
        async def __rsgi__(self, scope, protocol):
            protocol.response_str(200, [], f"{os.getpid()} {VERSION}")

    rsgi = Rsgi()
"""


def write_app(directory: Path, source: str = APP, *, version: str = "one") -> None:
    """Write app.py, so that no stale byte code of a version before it counts."""
    text = textwrap.dedent(source).replace('"one"', f'"{version}"')
    fresh = directory / "app.py.new"
    fresh.write_text(text, encoding="utf-8")
    # A file of the same size within the same second would not be compiled again.
    stamp = time.time_ns() + hash(version) % 10**12
    os.utime(fresh, ns=(stamp, stamp))
    fresh.replace(directory / "app.py")


def start(serve: Serve, directory: Path, **settings: object) -> Served:
    """Start a supervisor and wait until all its workers are ready."""
    return serve(*command(directory, **settings), cwd=directory)  # type: ignore[arg-type]


def command(directory: Path, app: str = "app:mux", **settings: object) -> list[str]:
    """Command line that serves app.py in a directory, with two workers unless it says otherwise."""
    options = {**DEFAULTS, "app_dir": directory, **settings}
    words = [sys.executable, "-m", "oxbridge", "serve", app]
    for name, value in options.items():
        option = BY_NAME[name]
        if option.is_flag:
            words += [option.long if value else f"--no-{option.key}"]
        else:
            for one in value if isinstance(value, list) else [value]:
                words += [option.long, "none" if one is None else str(one)]
    return words


def fails(directory: Path, *, code: int = 1, **settings: object) -> str:
    """Run a server that cannot start; what it wrote, once it has ended with that code."""
    done = subprocess.run(
        command(directory, **settings),  # type: ignore[arg-type]
        cwd=directory,
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert done.returncode == code, (done.returncode, done.stderr)
    assert done.stdout == ""
    return done.stderr


def connect(url: str) -> http.client.HTTPConnection:
    """Open a connection, not made yet."""
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=BOUND)


def get(url: str, path: str = "/") -> str:
    """Ask once, on a connection of its own."""
    connection = connect(url)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


def workers(served: Served) -> set[int]:
    """The processes that the supervisor has started and that live."""
    listed = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text()
    return {pid for pid in map(int, listed.split()) if alive(pid)}


def alive(pid: int) -> bool:
    """Whether a process runs: there is one, and it is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def until(true: Callable[[], object], what: str, bound: float = BOUND) -> None:
    """Look again and again until something is so."""
    deadline = time.monotonic() + bound
    while not true():
        assert time.monotonic() < deadline, f"{bound:g} s, and it is not so: {what}"
        time.sleep(0.01)


def count(served: Served, pattern: str) -> int:
    """How often a text is in what the supervisor has written."""
    return served.stderr.count(pattern)


class Slow:
    """A request that has begun and ends when it is let."""

    def __init__(self, served: Served, directory: Path) -> None:
        self._fifo = directory / f"fifo{len(list(directory.glob('fifo*')))}"
        os.mkfifo(self._fifo)
        self._connection = connect(served.url)
        self._connection.request("GET", f"/slow?until={self._fifo}")
        self.answer = self._connection.getresponse()
        assert self.answer.readline() == b"begun\n"

    def finish(self) -> None:
        """Let it end, and see that all of it arrives."""
        with open(self._fifo, "w"):
            assert self.answer.read() == b"ended\n"
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.answer.close()
        self._connection.close()


class Load:
    """Threads that ask all the time, half of them on connections that they keep.

    Only a kept connection that was closed before a byte of an answer came is asked anew, once, as
    every HTTP client does: the server may close it while it is idle (RFC 9112, section 9.3.1).
    """

    def __init__(self, url: str, threads: int = 6) -> None:
        self.failures: list[BaseException] = []
        self.answers = 0
        self.seen: set[str] = set()
        self.closed_while_idle = 0
        self._url = url
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number % 2 == 0,)) for number in range(threads)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.goes_on()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self) -> None:
        """Wait until some more requests were answered."""
        enough = self.answers + 10 * len(self._threads)
        until(lambda: self.answers >= enough, "the load is answered")

    def _run(self, keep: bool) -> None:
        connection = connect(self._url)
        used = False
        while not self._ended.is_set():
            try:
                connection.request("GET", "/", headers={} if keep else {"Connection": "close"})
                answer = connection.getresponse()
                self.seen.add(answer.read().decode())
                assert answer.status == 200
                self.answers += 1
                used = keep and not answer.will_close
                if used:
                    continue
            except (ConnectionError, http.client.HTTPException, AssertionError, OSError) as error:
                if used and isinstance(error, ConnectionError):
                    self.closed_while_idle += 1
                else:
                    self.failures.append(error)
            connection.close()
            connection, used = connect(self._url), False
        connection.close()


def send(served: Served, number: signal.Signals) -> None:
    """Send the supervisor a signal."""
    served.process.send_signal(number)
