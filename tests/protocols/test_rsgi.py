"""The server's side of RSGI, granian's interface: scope, protocol, WebSocket, hooks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as websocket_connect

from app_server import ServeApp, is_peer
from serving import Served
from wire import Wire

DATA = bytes(range(256)) * 4096
_names = (f"r{n}" for n in itertools.count())

Connect = Callable[[str], ClientConnection]


@pytest.fixture(scope="module")
def served(serve_app: ServeApp) -> Served:
    return serve_app("rsgi_app:app", interface="rsgi")


@pytest.fixture
def connect(served: Served) -> Connect:
    """Open a WebSocket: `with connect("/echo") as it`."""
    return lambda path: websocket_connect(served.url.replace("http", "ws", 1) + path, proxy=None)


def get(served: Served, target: str) -> httpx.Response:
    return httpx.get(f"{served.url}{target}", timeout=30)


def noted(served: Served, name: str) -> object:
    """What the request of that name noted, once it does."""
    value: object = get(served, f"/note?name={name}").json()
    return value


def test_the_scope(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.send(
            "GET /a%20b/%C3%A9?c=%20d HTTP/1.1\r\nHost: h\r\nX-Mixed: 1\r\nx-mixed: 2\r\n\r\n"
        )
        told = json.loads(wire.answer().read())
        host, port = wire.socket.getsockname()
    assert told["proto"] == "http"
    assert told["rsgi_version"].startswith("1.")
    assert told["http_version"] == "1.1"
    assert told["server"] == f"127.0.0.1:{served.port}"
    assert told["client"] == f"{host}:{port}"
    assert told["scheme"] == "http"
    assert told["method"] == "GET"
    assert told["path"] == "/a b/\xe9"
    assert told["query_string"] == "c=%20d"
    assert told["types"] == ["str"]
    assert told["loop"] is True


def test_the_headers_are_a_mapping(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.send("GET /scope HTTP/1.1\r\nHost: h\r\nX-Mixed: 1\r\nx-mixed: 2\r\n\r\n")
        headers = json.loads(wire.answer().read())["headers"]
    assert headers["contains"]
    assert headers["lacks"]
    assert headers["item"] in ("1", "2")
    assert headers["get"] is None
    assert headers["default"] == "default"
    assert headers["all"] == ["1", "2"]
    assert headers["keys"] == ["host", "x-mixed"]
    assert headers["iterated"] == ["host", "x-mixed"]
    assert ["host", "h"] in headers["items"]
    assert "h" in headers["values"]


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_bodies(served: Served, size: int, chunked: bool) -> None:
    data = b"0123456789" * (size // 10)

    def content() -> object:
        return iter([data[: size // 2], data[size // 2 :]]) if chunked and size else data

    told = httpx.post(f"{served.url}/body", content=content(), timeout=30).json()  # type: ignore[arg-type]
    assert told == ["bytes", size, data[:10].decode()]
    told = httpx.post(f"{served.url}/pieces", content=content(), timeout=30).json()  # type: ignore[arg-type]
    assert told[0] == size
    assert told[1] or size < 1_000_000


def test_an_unread_body_does_not_become_a_request(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.head("POST", "/unread", {"Content-Length": 5})
        wire.send("GET /")
        assert wire.answer().status == 200
        wire.head("GET", "/str")
        assert wire.answer().status == 201


def test_an_empty_answer(served: Served) -> None:
    got = get(served, "/empty")
    assert (got.status_code, got.content) == (204, b"")
    assert got.headers.get_list("x-many") == ["1", "2"]


def test_text_and_bytes(served: Served) -> None:
    got = get(served, "/str")
    assert (got.status_code, got.text) == (201, "grüße")
    assert got.headers["content-length"] == "7"
    assert got.headers.get_list("x-many") == ["1", "2"]
    assert get(served, "/bytes").content == b"\x00\xff"


def test_head(served: Served) -> None:
    with Wire(served.url) as wire:
        for path in ("/str", "/bytes", "/file", "/stream"):
            wire.head("HEAD", path)
            answer = wire.answer("HEAD")
            assert answer.status in (200, 201)
            assert answer.read() == b""


def test_files(served: Served) -> None:
    got = get(served, "/file")
    assert got.content == DATA
    assert got.headers["content-type"] == "application/x"


def test_ranges_of_files(served: Served) -> None:
    for begin, end in ((0, 10), (1000, 200_000), (len(DATA) - 1, len(DATA))):
        got = get(served, f"/file/range?range={begin}-{end}")
        assert (got.status_code, got.content) == (206, DATA[begin:end])


def test_a_file_that_is_not_there(served: Served) -> None:
    assert get(served, "/file/none").status_code in (404, 500)


def test_streams(served: Served) -> None:
    got = get(served, "/stream")
    assert got.content == (b"b" * 65536 + "é".encode()) * 16
    assert "content-length" not in got.headers


def test_a_piece_goes_out_before_the_next(served: Served) -> None:
    name = next(_names)
    with httpx.stream("GET", f"{served.url}/on-demand?name={name}", timeout=30) as got:
        lines = got.iter_lines()
        assert next(lines) == "first"
        assert get(served, f"/go?name={name}").status_code == 204
        assert next(lines) == "second"


def test_back_pressure(served: Served) -> None:
    if is_peer("granian"):
        pytest.skip("the stand-in's stream has no bound")
    name = next(_names)
    with Wire(served.url, receive_buffer=4096) as wire:
        wire.head("GET", f"/backpressure?name={name}")
        sent = noted(served, name)
    assert isinstance(sent, int)
    assert sent < 16_000_000


def test_a_client_that_leaves_is_noticed(served: Served) -> None:
    name = next(_names)
    with Wire(served.url) as wire:
        wire.head("GET", f"/disconnect?name={name}")
        assert noted(served, name) == "ready"
    assert noted(served, name) == "gone"


@pytest.mark.parametrize("path", ["/raise", "/return"])
def test_no_answer_is_a_500(served: Served, path: str) -> None:
    assert get(served, path).status_code == 500
    if path == "/raise" and not is_peer("granian"):  # logs to standard output
        served.wait_for_line("RuntimeError: meant to fail before")


def test_an_exception_midway_cuts_the_answer(served: Served) -> None:
    if is_peer("granian"):
        pytest.skip("the stand-in ends the answer as if it were whole")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        get(served, "/raise/midway")
    served.wait_for_line("RuntimeError: meant to fail midway")


def test_websocket_messages(served: Served, connect: Connect) -> None:
    name = next(_names)
    with connect(f"/echo?name={name}") as it:
        for message in ("grüße", b"\x00\xff", "", b"", "x" * 300_000):
            it.send(message)
            assert it.recv(30) == message
    assert noted(served, name) == 0


def test_websocket_scope(connect: Connect) -> None:
    with connect("/scope") as it:
        told = json.loads(it.recv(30))
    assert told["proto"] == "ws"
    assert told["rsgi_version"].startswith("1.")
    assert told["method"] == "GET"
    assert told["path"] == "/scope"
    assert told["scheme"] in ("http", "ws")


def test_websocket_ends(connect: Connect) -> None:
    with pytest.raises(InvalidStatus) as refused, connect("/refuse"):
        pass
    assert refused.value.response.status_code == 403
    with connect("/close") as it, pytest.raises(ConnectionClosed) as closed:
        it.recv(30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == (1005 if is_peer("granian") else 4001)
    with pytest.raises(InvalidStatus) as failed, connect("/raise"):
        pass
    assert failed.value.response.status_code == (403 if is_peer("granian") else 500)


def test_the_hooks_are_called_once(serve_app: ServeApp) -> None:
    served = serve_app("rsgi_app:app", interface="rsgi")
    assert get(served, "/scope").json()["loop"] is True
    assert served.stop() == 0
    assert served.stderr.count("rsgi_del was called") == 1


def test_a_function_is_an_application(serve_app: ServeApp) -> None:
    served = serve_app("rsgi_app:function", interface="rsgi")
    assert get(served, "/some/path").text == "/some/path"
