"""Clients that mean harm: each of these once cost the server memory, time, threads or its life."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import h2.config
import h2.connection
import h2.events
import h2.settings

from oxbridge import Mux, Request, ResponseWriter, Server
from oxbridge.testing import serve
from wire import Wire


def rss() -> int:
    """How many bytes of memory this process, which is the server too, has in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def http2(url: str, settings: dict[int, int]) -> Iterator[tuple[Wire, h2.connection.H2Connection]]:
    """A connection in HTTP/2 with prior knowledge."""
    protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    protocol.local_settings = h2.settings.Settings(client=True, initial_values=settings)
    protocol.initiate_connection()
    wire = Wire(url)
    wire.send(protocol.data_to_send())
    try:
        yield wire, protocol
    finally:
        wire.reader.close()
        wire.socket.close()


def ask(wire: Wire, protocol: h2.connection.H2Connection, path: str) -> int:
    stream = protocol.get_next_available_stream_id()
    fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)]
    protocol.send_headers(stream, fields, end_stream=True)
    wire.send(protocol.data_to_send())
    return stream


def test_the_head_of_a_part_that_never_ends_is_refused() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        w.json([part.name for part in req.multipart()])

    with serve(handler) as client:
        wire = Wire(client.url)
        before = rss()
        wire.head(
            "POST",
            "/",
            {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": 100 << 20},
        )
        wire.send(b"--b\r\nX: ")
        sent = 0
        try:
            while sent < 90 << 20:
                wire.send(b"A" * 65536)
                sent += 65536
        except OSError:
            pass
        finally:
            wire.reader.close()
            wire.socket.close()
        assert sent < 32 << 20, "the server took all of it"
        assert rss() - before < 24 << 20
        assert client.get("/").status == 400


def test_a_form_with_too_many_fields_is_413_and_soon() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        w.json(len(req.form))

    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with serve(handler) as client:
        many = "&".join(f"n{i}" for i in range(20_000))
        assert client.request("POST", "/", many.encode(), kind).status == 413
        some = "&".join(f"n{i}" for i in range(9_000))
        began = time.process_time()
        assert client.request("POST", "/", some.encode(), kind).json() == 9_000
        # Quadratic, it was minutes.
        assert time.process_time() - began < 5


def test_a_client_that_opens_no_window_frees_the_threads_it_holds() -> None:
    mux = Mux()
    mux.handle("/big", lambda w, req: w.write(b"x" * 2_000_000))
    mux.handle("/", lambda w, req: w.write("small"))
    closed_window = {int(h2.settings.SettingCodes.INITIAL_WINDOW_SIZE): 0}
    with serve(mux, threads=3, write_timeout=1) as client:
        with http2(client.url, closed_window) as (wire, protocol):
            for _ in range(8):
                ask(wire, protocol, "/big")
            # It answers others, and it ends that connection.
            assert client.get("/").text == "small"
            while wire.socket.recv(65536):
                pass
        assert client.get("/").text == "small"


def test_an_http2_connection_is_idle_whatever_is_said_about_it() -> None:
    with (
        serve(lambda w, req: w.write("here"), header_timeout=0.5, keep_alive_timeout=30) as client,
        http2(client.url, {}) as (wire, protocol),
    ):
        for _ in range(2):
            stream = ask(wire, protocol, "/")
            ended = False
            while not ended:
                data = wire.socket.recv(65536)
                assert data, "the server has closed the connection"
                for event in protocol.receive_data(data):
                    ended |= isinstance(event, h2.events.StreamEnded) and event.stream_id == stream
                wire.send(protocol.data_to_send())
            protocol.ping(b"are you?")
            wire.send(protocol.data_to_send())
            # Longer than a head may take.
            threading.Event().wait(1.5)


def test_a_small_stack_is_not_what_handlers_run_on() -> None:
    release = threading.Event()

    def depth(n: int) -> int:
        return 0 if n == 0 else 1 + max(map(depth, [n - 1]))

    mux = Mux()
    mux.handle("/wait", lambda w, req: w.write(str(release.wait(30))))
    mux.handle("/deep", lambda w, req: w.write(str(depth(300))), blocking=False)
    # With its one thread taken, the server's own watchdog takes the turns.
    with serve(mux, threads=1) as client:
        waiting = threading.Thread(target=client.get, args=("/wait",))
        waiting.start()
        answers = [client.get("/deep").text for _ in range(20)]
        release.set()
        waiting.join(30)
    assert answers == ["300"] * 20


def test_a_server_that_its_handlers_refer_to_is_collected() -> None:
    def one() -> None:
        mux = Mux()
        server = Server(mux, port=0)
        mux.handle("/", lambda w, req: w.write(server.url))
        with server:
            pass

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    one()
    gc.collect()
    before = descriptors()
    for _ in range(20):
        one()
    # The last thread of a server may still be on its way out.
    deadline = time.monotonic() + 20
    while gc.collect() or descriptors() > before + 3:
        assert time.monotonic() < deadline, (before, descriptors())
        time.sleep(0.05)


def test_an_interpreter_that_ends_under_its_handlers_ends_well() -> None:
    program = """
        import threading, time, urllib.request
        from oxbridge import Mux, Server
        begun = threading.Event()
        mux = Mux()
        def busy(w, req):
            begun.set()
            while True:
                time.sleep(0.0001)
        mux.handle("/", busy)
        server = Server(mux, port=0)
        server.start()
        ask = threading.Thread(target=urllib.request.urlopen, args=(server.url,), daemon=True)
        ask.start()
        begun.wait(20)
    """
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (done.returncode, done.stderr)
