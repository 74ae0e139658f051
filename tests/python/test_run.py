"""`run` and `shutdown`: a program from its start to its end, signals and output included."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

import oxbridge
from oxbridge import Mux, Request, ResponseWriter
from oxbridge.testing import Client, serve
from serving import ServeSource
from wire import Wire, until_refused


def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello")


@pytest.fixture
def mux() -> Mux:
    mux = Mux()
    mux.handle("/", hello)
    return mux


# run and shutdown


class Running:
    """`run` in a thread of its own, on a port that it chose."""

    def __init__(self, mux: Mux, caplog: pytest.LogCaptureFixture, **options: Any) -> None:
        caplog.set_level("INFO", logger="oxbridge")
        self.failure: BaseException | None = None
        self.returned = threading.Event()
        before = set(oxbridge._run._running)
        self.thread = threading.Thread(target=self._run, args=(mux, options))
        self.thread.start()
        while not (new := set(oxbridge._run._running) - before):
            assert not self.returned.is_set(), self.failure
            self.returned.wait(0.001)
        (server,) = new
        self.client = Client(server)

    def _run(self, mux: Mux, options: dict[str, Any]) -> None:
        try:
            assert oxbridge.run(mux=mux, **{"port": 0, **options}) is None  # type: ignore[func-returns-value]
        except BaseException as failure:
            self.failure = failure
        self.returned.set()

    def join(self) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()
        if self.failure is not None:
            raise self.failure


def test_run_in_a_thread_until_another_shuts_down(
    mux: Mux, caplog: pytest.LogCaptureFixture
) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    running = Running(mux, caplog)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert running.client.get("/").text == "hello"
    url, port = running.client.url, running.client.server.port
    oxbridge.shutdown()
    running.join()
    assert caplog.messages == [f"Serving on {url}", "Stopped"]
    again = Running(mux, caplog, port=port)
    assert again.client.get("/").text == "hello"
    oxbridge.shutdown()
    again.join()


def test_shutdown_from_inside_a_handler_lets_it_finish(
    mux: Mux, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(w: ResponseWriter, req: Request) -> None:
        oxbridge.shutdown()
        w.write("goodbye")

    async def stop_too(w: ResponseWriter, req: Request) -> None:
        oxbridge.shutdown()
        w.write("goodbye")

    mux.handle("/stop", stop)
    mux.handle("/stop-too", stop_too)
    for path in ("/stop", "/stop-too"):
        running = Running(mux, caplog)
        assert running.client.get(path).text == "goodbye"
        running.join()


def test_shutdown_stops_every_run_and_no_other_server(
    mux: Mux, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Running(mux, caplog), Running(mux, caplog)
    with serve(mux) as client:
        oxbridge.shutdown()
        first.join()
        second.join()
        assert client.get("/").text == "hello"
    oxbridge.shutdown()


# Programs of their own

SLOW = """
    import sys
    import threading
    from oxbridge import route, run

    @route("GET /")
    def hello(w, req):
        w.write("hello")

    @route("GET /slow")
    def slow(w, req):
        w.write("started")
        w.flush()
        for line in iter(req.readline, b""):
            w.write(line)

    @route("POST /slow")
    def echo(w, req):
        slow(w, req)

    run(port=0{options})
    print("run returned", file=sys.stderr)
"""


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_run_returns(serve_source: ServeSource, by: signal.Signals) -> None:
    served = serve_source(SLOW.format(options=", buffer_body=0"))
    with Wire(served.url) as wire:
        wire.head("POST", "/slow", {"Content-Length": 4})
        answer = wire.answer("POST")
        assert answer.read(7) == b"started"
        served.process.send_signal(by)
        # The listening socket closes at once, while the slow request goes on.
        until_refused(served.url)
        wire.send("end\n")
        assert answer.read() == b"end\n"
    assert served.wait() == 0
    assert served.stderr.splitlines()[1:] == ["run returned"]


def test_a_second_ctrl_c_cuts(serve_source: ServeSource) -> None:
    served = serve_source(SLOW.format(options=", buffer_body=0"))
    with Wire(served.url) as wire:
        wire.head("POST", "/slow", {"Content-Length": 4})
        answer = wire.answer("POST")
        assert answer.read(7) == b"started"
        served.process.send_signal(signal.SIGINT)
        until_refused(served.url)
        served.process.send_signal(signal.SIGINT)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    assert served.wait() == 0
    assert "run returned" in served.stderr


def test_shutdown_timeout_cuts(serve_source: ServeSource) -> None:
    served = serve_source(SLOW.format(options=", buffer_body=0, shutdown_timeout=0.1"))
    with Wire(served.url) as wire:
        wire.head("POST", "/slow", {"Content-Length": 4})
        answer = wire.answer("POST")
        assert answer.read(7) == b"started"
        served.process.send_signal(signal.SIGTERM)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    assert served.wait() == 0


def test_run_returns_though_a_handler_never_ends(serve_source: ServeSource) -> None:
    served = serve_source(
        """
        import sys
        import time
        from oxbridge import route, run

        @route("/")
        def forever(w, req):
            w.write("started")
            w.flush()
            time.sleep(1000)

        run(port=0, shutdown_timeout=0.1)
        print("run returned", file=sys.stderr)
        """
    )
    with Wire(served.url) as wire:
        wire.head("GET", "/")
        assert wire.answer().read(7) == b"started"
        assert served.stop() == 0
    assert "A handler still runs although its server has stopped" in served.stderr
    assert "run returned" in served.stderr


def test_handlers_of_signals_are_put_back(serve_source: ServeSource) -> None:
    served = serve_source(
        """
        import os
        import signal
        import socket
        import sys
        from oxbridge import run

        def mine(number, frame): pass

        signal.signal(signal.SIGTERM, mine)
        before, other = socket.socketpair()
        before.setblocking(False)
        signal.set_wakeup_fd(before.fileno())
        run(port=0)
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.set_wakeup_fd(-1) == before.fileno()
        print("as before", file=sys.stderr)
        """
    )
    assert served.stop() == 0
    assert "as before" in served.stderr


def test_other_signals_reach_their_handlers_while_run_waits(serve_source: ServeSource) -> None:
    served = serve_source(
        """
        import signal
        import sys
        from oxbridge import run

        signal.signal(signal.SIGHUP, lambda *_: print("hung up", file=sys.stderr))
        run(port=0)
        """
    )
    served.process.send_signal(signal.SIGHUP)
    served.wait_for_line("hung up")
    assert served.stop(signal.SIGINT) == 0


def test_ctrl_c_ends_the_wait_for_a_server(serve_source: ServeSource) -> None:
    served = serve_source(
        """
        import sys
        from oxbridge import Server

        with Server() as server:
            try:
                print("Serving on", server.url, file=sys.stderr)
                server.wait()
            except KeyboardInterrupt:
                print("interrupted", file=sys.stderr)
        """
    )
    assert served.stop(signal.SIGINT) == 0
    assert "interrupted" in served.stderr


# What is printed


def run_briefly(before: str, arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program whose server stops as soon as it has started."""
    program = f"""
import logging, threading
import oxbridge
{before}
def stop():
    while not oxbridge._run._running:
        pass
    oxbridge.shutdown()
threading.Thread(target=stop).start()
oxbridge.run(port=0{arguments})
"""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )


@pytest.mark.parametrize(
    ("before", "arguments", "stderr"),
    [
        ("", "", r"Serving on http://127\.0\.0\.1:\d+\n"),
        ("", ", host=''", r"Serving on http://127\.0\.0\.1:\d+ \(and every other interface\)\n"),
        ("", ", banner=False", ""),
        ("logging.basicConfig()", "", ""),
        ("logging.getLogger('oxbridge').addHandler(logging.NullHandler())", "", ""),
        (
            "logging.basicConfig(level='INFO', format='%(name)s %(levelname)s %(message)s')",
            "",
            r"oxbridge INFO Serving on http://127\.0\.0\.1:\d+\noxbridge INFO Stopped\n",
        ),
    ],
)
def test_one_line_is_printed_that_can_be_turned_off(
    before: str, arguments: str, stderr: str
) -> None:
    done = run_briefly(before, arguments)
    assert done.stdout == ""
    assert re.fullmatch(stderr, done.stderr), done.stderr


def test_a_program_may_end_while_its_server_runs() -> None:
    program = """
import oxbridge, urllib.request
async def hello(w, req): w.write("hello")
mux = oxbridge.Mux()
mux.handle("/", hello)
mux.handle("/plain", lambda w, req: w.write("plain"))
server = oxbridge.Server(mux)
server.start()
for path in ("/", "/plain"):
    print(urllib.request.urlopen(server.url + path).read().decode())
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "hello\nplain\n"
    assert "oxbridge" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 0, "Usage: oxbridge serve APP "),
        (["--help"], 0, "Usage: oxbridge serve APP "),
        (["--version"], 0, f"oxbridge {oxbridge.__version__}\n"),
        (["nonsense"], 2, "oxbridge: there is no command nonsense; "),
    ],
)
def test_python_m_oxbridge(arguments: list[str], code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "oxbridge", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert (done.stdout + done.stderr).startswith(said)
