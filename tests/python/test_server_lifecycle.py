"""`Server`: starting, stopping, starting again, and what cannot be started."""

from __future__ import annotations

import errno
import http.client
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oxbridge
from oxbridge import Mux, Request, ResponseWriter, Server
from oxbridge.testing import Client, serve
from wire import Wire, until_refused


def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello")


@pytest.fixture
def mux() -> Mux:
    mux = Mux()
    mux.handle("/", hello)
    return mux


class Slow:
    """A handler that takes until it is told to go on, and whatever asks it."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.go = threading.Event()
        self.answer: http.client.HTTPResponse | None = None

    def __call__(self, w: ResponseWriter, req: Request) -> None:
        self.started.set()
        self.go.wait(20)
        w.write("finished")


# Server


def test_a_server_starts_and_stops_and_starts_again(mux: Mux) -> None:
    server = Server(mux)
    assert [server.running, server.addresses] == [False, []]
    server.start()
    assert server.running
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.addresses == [f"127.0.0.1:{server.port}"]
    assert Client(server).get("/").text == "hello"
    assert server.stop()
    assert server.addresses == []
    with pytest.raises(RuntimeError, match="does not run"):
        server.url  # noqa: B018 - it raises
    server.start()
    assert Client(server).get("/").text == "hello"
    assert server.stop()


def test_another_server_can_have_the_same_port_at_once(mux: Mux) -> None:
    with Server(mux) as server:
        port = server.port
        # A connection that is still open on the client's side must not keep the port.
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"hello"
    with Server(mux, port=str(port)) as server:
        assert server.port == port
        assert Client(server).get("/").text == "hello"
    connection.close()


def test_two_servers_in_one_process(mux: Mux) -> None:
    with serve(mux) as first, serve(lambda w, req: w.write("other")) as second:
        assert first.url != second.url
        assert [first.get("/").text, second.get("/").text] == ["hello", "other"]
    with pytest.raises(ConnectionError):
        first.get("/")


def test_a_server_cannot_be_started_twice(mux: Mux) -> None:
    with Server(mux) as server, pytest.raises(RuntimeError, match=f"runs already.*{server.port}"):
        server.start()


def test_stopping_what_does_not_run_does_nothing(mux: Mux) -> None:
    server = Server(mux)
    assert server.stop()
    server.begin_stop()
    server.wait()
    server.start()
    assert server.stop()
    assert server.stop()


def test_the_context_manager_stops_also_when_its_body_raises(mux: Mux) -> None:
    server, clients = Server(mux), []

    def fail() -> None:
        with server:
            clients.append(Client(server))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    (client,) = clients
    assert not server.running
    with pytest.raises(ConnectionError):
        client.get("/")


def test_nothing_is_left_of_an_exchange(mux: Mux) -> None:
    server = Server(mux)
    server.start()
    core = server._start.__self__._life.core  # type: ignore[attr-defined]
    for _ in range(10):
        Client(server).get("/")
    assert server.stop()
    assert (core.live_exchanges, core.connections) == (0, 0)


@pytest.mark.parametrize("bind", ["127.0.0.1:0", ["127.0.0.1:0", "localhost:0"]])
def test_bind_names_one_address_or_several(mux: Mux, bind: Any) -> None:
    with Server(mux, bind=bind) as server:
        assert len(server.addresses) >= (1 if isinstance(bind, str) else 2)
        for address in server.addresses:
            with Wire(f"http://{address}") as wire:
                wire.head("GET", "/")
                assert wire.answer().read() == b"hello"


def test_a_unix_socket(mux: Mux, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with Server(mux, bind=f"unix:{path}") as server:
        assert server.addresses == [f"unix:{path}"]
        assert server.url == f"unix:{path}"
        with pytest.raises(RuntimeError, match="no TCP port"):
            server.port  # noqa: B018 - it raises
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            with connection.makefile("rb") as reader:
                assert reader.read().endswith(b"hello")


def test_an_inherited_socket(mux: Mux) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with Server(mux, bind=f"fd:{listening.fileno()}") as server:
            assert server.port == port
            assert Client(server).get("/").text == "hello"


def test_ipv6(mux: Mux) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Server(mux, host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        assert Client(server).get("/").text == "hello"


# What cannot be started


def test_an_address_in_use_is_an_error_that_names_it(mux: Mux) -> None:
    with serve(mux) as client:
        port = client.server.port
        second = Server(mux, port=port)
        with pytest.raises(OSError, match=f"127.0.0.1:{port}") as error:
            second.start()
        assert error.value.errno == errno.EADDRINUSE
        assert not second.running
        with pytest.raises(OSError, match=str(port)):
            oxbridge.run(port=port, mux=mux, banner=False)


def test_an_address_that_is_not_ours_is_an_error_that_names_it(mux: Mux) -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1") as error:
        Server(mux, host="192.0.2.1").start()
    assert error.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"thread": 5}, TypeError, r"unknown option 'thread'.*\bthreads\b"),
        ({"threads": "8"}, TypeError, "threads must be a whole number, not '8'"),
        ({"threads": 8.0}, TypeError, "threads must be a whole number"),
        ({"threads": True}, TypeError, "threads must be a whole number"),
        ({"threads": 0}, ValueError, "threads must be at least 1, not 0"),
        ({"max_header_bytes": 10}, ValueError, "max_header_bytes must be at least 8192"),
        ({"max_body": "1M"}, TypeError, "max_body must be a whole number or None, not '1M'"),
        ({"max_body": -1}, ValueError, "max_body must be at least 0, not -1"),
        ({"keep_alive_timeout": None}, TypeError, "keep_alive_timeout must be a number of seconds"),
        ({"keep_alive_timeout": 0}, ValueError, "keep_alive_timeout must be more than 0 seconds"),
        ({"header_timeout": float("nan")}, ValueError, "header_timeout must be more than 0"),
        ({"shutdown_timeout": -1}, ValueError, "shutdown_timeout must be 0 or more seconds"),
        ({"port": "http"}, ValueError, "port must be a number from 0 to 65535, not 'http'"),
        ({"port": 65536}, ValueError, "port must be a number from 0 to 65535, not 65536"),
        ({"port": -1}, ValueError, "port must be a number"),
        ({"port": None}, TypeError, "port must be a number"),
        ({"port": 5000.0}, TypeError, "port must be a number"),
        ({"host": 5}, TypeError, "host must be a str, not 5"),
        ({"bind": []}, ValueError, "bind must name at least one address"),
        ({"bind": [5000]}, TypeError, "bind must hold addresses such as '127.0.0.1:80', not 5000"),
        ({"bind": "nowhere"}, ValueError, "nowhere"),
        ({"bind": "127.0.0.1:http"}, ValueError, "http"),
        ({"tls": ("cert.pem", "key.pem")}, TypeError, r"tls must be an oxbridge\.Tls"),
        ({"mux": hello}, TypeError, r"mux must be an oxbridge\.Mux"),
    ],
)
def test_a_bad_argument_is_one_clear_sentence(
    arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    ways: list[Callable[[], object]] = [
        lambda: Server(**arguments).start(),
        lambda: oxbridge.run(**{"port": 0, **arguments}, banner=False),
    ]
    for start in ways:
        with pytest.raises(kind, match=message):
            start()


def test_certificates_that_are_not_there_are_an_error_that_names_the_file(mux: Mux) -> None:
    server = Server(mux, tls=oxbridge.Tls(cert="no-such-cert.pem", key="no-such-key.pem"))
    with pytest.raises(OSError, match=r"no-such-(cert|key)\.pem"):
        server.start()


# The drain


def drained(slow: Slow, stop: Callable[[Server], None], **options: Any) -> tuple[Any, bytes | None]:
    """Stop a server while a slow handler runs; tell what stopping gave, and what the client got."""
    mux = Mux()
    mux.handle("/slow", slow)
    server = Server(mux, **options)
    server.start()
    with Wire(server.url) as wire:
        wire.head("GET", "/slow")
        assert slow.started.wait(20)
        stop(server)
        try:
            body = wire.answer().read()
        except (http.client.HTTPException, ConnectionError):
            body = None
    slow.go.set()
    server.wait()
    return server.stop(), body


def test_what_runs_may_finish(mux: Mux) -> None:
    slow = Slow()

    def stop(server: Server) -> None:
        url = server.url
        server.begin_stop()
        assert not server.running
        # The handler still runs, and nobody else gets in.
        until_refused(url)
        slow.go.set()

    assert drained(slow, stop) == (True, b"finished")


def test_what_does_not_finish_in_time_is_cut() -> None:
    slow = Slow()
    assert drained(slow, lambda server: server.begin_stop(0.05))[1] is None


def test_the_time_can_be_shortened_but_not_lengthened() -> None:
    slow = Slow()

    def stop(server: Server) -> None:
        server.begin_stop(20)
        server.begin_stop(0)
        server.begin_stop(20)

    assert drained(slow, stop)[1] is None


def test_stop_says_that_a_handler_still_runs(caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow()
    stopped: list[bool] = []
    drained(slow, lambda server: stopped.append(server.stop(0.01)), threads=2)
    assert stopped == [False]
    assert "A handler still runs although its server has stopped" in caplog.text


def test_an_idle_connection_does_not_hold_up_the_stop(mux: Mux) -> None:
    with Server(mux) as server, Wire(server.url) as idle, Wire(server.url) as silent:
        idle.head("GET", "/")
        assert idle.answer().read() == b"hello"
        assert server.stop(timeout=20)
        assert idle.rest() == b""
        assert silent.rest() == b""
