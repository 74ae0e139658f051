"""The server's side of ASGI 3, WebSocket: scope, handshake, messages, ends of both sides."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as websocket_connect

from app_server import ServeApp, is_peer
from serving import Served

Connect = Callable[..., ClientConnection]

_names = (f"w{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def served(serve_app: ServeApp) -> Served:
    return serve_app("asgi_websocket_app:app", interface="asgi")


@pytest.fixture
def connect(served: Served) -> Connect:
    """Open a WebSocket: `with connect("/echo") as it`."""

    def opened(path: str, **settings: object) -> ClientConnection:
        url = served.url.replace("http", "ws", 1) + path
        return websocket_connect(url, proxy=None, **settings)  # type: ignore[arg-type]

    return opened


def noted(served: Served, name: str) -> object:
    """What the connection of that name noted, once it does."""
    got = httpx.get(f"{served.url}/noted?name={name}", timeout=30)
    assert got.status_code == 200, served.stderr
    value: object = got.json()
    return value


def ended(websocket: ClientConnection) -> tuple[int, str]:
    """Code and reason with which the server closed."""
    with pytest.raises(ConnectionClosed) as caught:
        websocket.recv(30)
    closed = caught.value.rcvd
    return (closed.code, closed.reason) if closed is not None else (1006, "")


def refused(connect: Connect, path: str) -> Response:
    """The answer to a handshake that is not accepted."""
    with pytest.raises(InvalidStatus) as caught, connect(path):
        pass
    return caught.value.response


# The handshake


def test_the_scope_to_the_letter(served: Served, connect: Connect) -> None:
    headers = [("X-Mixed", "Case"), ("X-Mixed", "2")]
    subprotocols = ["one", "two"]
    own_socket = socket.create_connection(("127.0.0.1", served.port))
    own = own_socket.getsockname()  # now: the server closes when it has told
    path = "/sc%C3%B6pe%20?q=%20"
    with connect(
        path, sock=own_socket, additional_headers=headers, subprotocols=subprotocols
    ) as it:
        told = json.loads(it.recv(30))
    assert told["is_dict"]
    assert told["type"] == "websocket"
    assert told["asgi"]["version"] == "3.0"
    assert told["asgi"]["spec_version"] in ("2.3", "2.4", "2.5")
    assert told["http_version"] == "1.1"
    assert told["scheme"] == "ws"
    assert told["path"] == "/scöpe "
    assert told["raw_path"] == {"bytes": "/sc%C3%B6pe%20"}
    assert told["query_string"] == {"bytes": "q=%20"}
    assert told["root_path"] == ""
    assert told["subprotocols"] == subprotocols
    assert told["client"] == [own[0], own[1]]
    assert told["server"] == ["127.0.0.1", served.port]
    assert told["connect"] == {"type": "websocket.connect"}
    assert told["extensions"]["websocket.http.response"] == {}
    fields = [(name["bytes"], value["bytes"]) for name, value in told["headers"]]
    assert all(name == name.lower() for name, _ in fields)
    assert [value for name, value in fields if name == "x-mixed"] == ["Case", "2"]
    assert "method" not in told


def test_subprotocol_and_fields_of_the_accept(connect: Connect) -> None:
    with connect("/accept", subprotocols=["one", "two"]) as it:
        assert it.subprotocol == "two"
        assert it.response is not None
        assert it.response.headers.get_all("x-many") == ["1", "2"]
        assert it.response.headers["set-cookie"] == "a=b"
        assert ended(it) == (1000, "")
    with connect("/accept") as it:
        assert it.subprotocol is None


@pytest.mark.parametrize("path", ["/refuse", "/refuse/unheard"])
def test_close_before_accept_is_403(connect: Connect, path: str) -> None:
    assert refused(connect, path).status_code == 403


def test_a_denial_with_an_answer(connect: Connect) -> None:
    answer = refused(connect, "/deny")
    assert (answer.status_code, answer.body) == (401, b"who are you?")
    assert answer.headers["www-authenticate"] == "Basic"


@pytest.mark.parametrize("path", ["/raise/before", "/return/before"])
def test_no_decision_is_a_500(served: Served, connect: Connect, path: str) -> None:
    assert refused(connect, path).status_code == 500
    if path == "/raise/before":
        served.wait_for_line("RuntimeError: meant to fail before the accept")


# Messages

MESSAGES: list[str | bytes] = [
    "text", b"bytes", "", b"", "grüße 世界 \U0001f600", "\x00", b"\x00\xff" * 50_000, "é" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_come_back(connect: Connect, compression: str | None) -> None:
    with connect("/echo", compression=compression) as it:
        for message in MESSAGES:
            it.send(message)
            assert it.recv(30) == message


def test_messages_in_fragments_with_a_ping_between(connect: Connect) -> None:
    with connect("/echo") as it:

        def pieces() -> object:
            yield "one "
            it.ping()
            yield ""
            yield "two"

        it.send(pieces())  # type: ignore[arg-type]
        assert it.recv(30) == "one two"


def test_pings_are_answered(connect: Connect) -> None:
    with connect("/echo") as it:
        assert it.ping(b"payload").wait(30)
        assert it.ping(b"x" * 125).wait(30)


def test_many_messages_keep_their_order(connect: Connect) -> None:
    with connect("/echo") as it:
        for n in range(500):
            it.send(str(n))
        assert [it.recv(30) for _ in range(500)] == [str(n) for n in range(500)]


def test_receiving_and_sending_at_once(served: Served, connect: Connect) -> None:
    name = next(_names)
    with connect(f"/both-ways?name={name}") as it:
        for n in range(100):
            it.send(str(n))
        assert [json.loads(it.recv(30)) for _ in range(100)] == list(range(100))
    assert noted(served, name) == 100


def test_receive_may_be_cancelled_and_resumed(connect: Connect) -> None:
    with connect("/receive-cancelled") as it:
        assert json.loads(it.recv(30)) == "cancelled"
        it.send("not lost")
        assert json.loads(it.recv(30)) == "not lost"


def test_a_message_over_the_limit_is_1009(serve_app: ServeApp) -> None:
    limited = serve_app("asgi_websocket_app:app", "--ws-max-size", "1000", interface="asgi")
    url = limited.url.replace("http", "ws", 1)
    for settings in ({}, {"compression": None}):
        name = next(_names)
        with websocket_connect(f"{url}/echo?name={name}", proxy=None, **settings) as it:
            it.send("x" * 1000)
            assert it.recv(30) == "x" * 1000
            it.send("x" * 1001)
            assert ended(it)[0] == 1009
        told = noted(limited, name)
        assert isinstance(told, list)
        assert told[0] == "websocket.disconnect"


def test_text_that_is_no_utf_8_is_1007(connect: Connect) -> None:
    with connect("/echo", compression=None) as it:
        with it.protocol_mutex:
            it.protocol.send_text(b"\xff\xfe")
            it.send_data()
        assert ended(it)[0] == 1007


# Ends


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_the_client_closes_with_a_code(served: Served, connect: Connect, code: int) -> None:
    name = next(_names)
    with connect(f"/echo?name={name}") as it:
        it.close(code, "grüße")
    told = noted(served, name)
    assert isinstance(told, list)
    assert told == ["websocket.disconnect", code, "grüße"]


def test_the_client_closes_without_a_code(served: Served, connect: Connect) -> None:
    name = next(_names)
    with connect(f"/echo?name={name}", compression=None) as it:
        with it.protocol_mutex:
            it.protocol.send_close()
            it.send_data()
        assert ended(it)[0] in (1000, 1005)
    told = noted(served, name)
    assert isinstance(told, list)
    assert told[:2] == ["websocket.disconnect", 1005]


@pytest.mark.parametrize("code", ["none", "1000", "1001", "1011", "3000", "4999"])
def test_the_application_closes_with_a_code(served: Served, connect: Connect, code: str) -> None:
    name = next(_names)
    with connect(f"/close?name={name}&code={code}") as it:
        assert ended(it) == (1000 if code == "none" else int(code), "so be it: grüße")
    told = noted(served, name)
    assert isinstance(told, list)
    assert told[0] == "websocket.disconnect"
    assert len(told[1]) == 3, "messages after the close must raise"


def test_a_client_that_vanishes_is_1006(served: Served, connect: Connect) -> None:
    name = next(_names)
    with connect(f"/vanish?name={name}") as it:
        it.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01" + b"\x00" * 7)
        it.socket.shutdown(socket.SHUT_RDWR)
    told = noted(served, name)
    assert isinstance(told, list)
    kind, code, error = told
    assert kind == "websocket.disconnect"
    assert code == (1006 if not is_peer("uvicorn") else code)
    assert error is not None, "sending to a client that has gone must raise OSError"


def test_an_exception_after_the_accept_is_1011(served: Served, connect: Connect) -> None:
    with connect("/raise/after") as it:
        assert ended(it)[0] in ((1011, 1006) if is_peer("uvicorn") else (1011,))
    served.wait_for_line("RuntimeError: meant to fail after the accept")


def test_returning_without_a_close_is_1000(connect: Connect) -> None:
    with connect("/return/after") as it:
        assert ended(it)[0] in ((1000, 1006) if is_peer("uvicorn") else (1000,))


def test_a_client_that_answers_no_ping_is_dropped(serve_app: ServeApp) -> None:
    impatient = serve_app(
        "asgi_websocket_app:app",
        *("--ws-ping-interval", "0.2", "--ws-ping-timeout", "0.2"),
        interface="asgi",
    )
    name = next(_names)
    host, port = "127.0.0.1", impatient.port
    with socket.create_connection((host, port), 30) as deaf:
        lines = [
            f"GET /echo?name={name} HTTP/1.1",
            "Host: a",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        deaf.sendall("\r\n".join([*lines, "", ""]).encode())
        reader = deaf.makefile("rb")
        assert b" 101 " in reader.readline()
        while reader.readline() != b"\r\n":
            pass
        assert reader.read(1) == bytes([0x80 | Opcode.PING])
        assert reader.read()[-4:]  # to the end: a close, or nothing more
        reader.close()
    told = noted(impatient, name)
    assert isinstance(told, list)
    assert told[0] == "websocket.disconnect"


# Order


CASES = [
    "send before accept",
    "accept twice",
    "neither text nor bytes",
    "text as bytes",
    "bytes as text",
    "an answer's",
    "unknown",
    "denial after accept",
]


@pytest.mark.parametrize("case", CASES)
def test_messages_out_of_order_raise(served: Served, connect: Connect, case: str) -> None:
    if is_peer("uvicorn") and case in ("bytes as text", "neither text nor bytes"):
        pytest.skip("the stand-in breaks over it elsewhere, or takes it")
    name = next(_names)
    path = httpx.URL("/bad-send", params={"name": name, "case": case}).raw_path.decode()
    try:
        with connect(path):
            pass
    except InvalidStatus:
        assert case == "send before accept"
    assert isinstance(noted(served, name), str), "nothing was raised"


# Back-pressure


def test_a_client_that_does_not_read_stops_the_application(
    served: Served, connect: Connect
) -> None:
    name = next(_names)
    with connect(f"/flood?name={name}", compression=None, max_queue=1, close_timeout=0):
        sent = noted(served, name)
    assert isinstance(sent, int)
    assert sent < 20_000_000


def test_an_application_that_does_not_receive_stops_the_client(
    served: Served, connect: Connect
) -> None:
    name = next(_names)
    sent = 0
    with connect(f"/slow?name={name}", compression=None, ping_interval=None) as it:
        it.socket.settimeout(1)
        try:
            while sent < 1000:
                it.send(b"x" * 100_000)
                sent += 1
        except (TimeoutError, ConnectionClosed):
            pass
    assert sent < 500, "the server takes what nobody asked for"
    assert httpx.get(f"{served.url}/go?name={name}").json() is True


# TLS


def test_wss(serve_app: ServeApp, certificates: object) -> None:
    encrypted = serve_app(
        "asgi_websocket_app:app",
        *("--ssl-certfile", str(certificates.chain)),  # type: ignore[attr-defined]
        *("--ssl-keyfile", str(certificates.key)),  # type: ignore[attr-defined]
        interface="asgi",
    )
    context = ssl.create_default_context(cafile=certificates.authority)  # type: ignore[attr-defined]
    url = encrypted.url.replace("https://127.0.0.1", "wss://localhost")
    with websocket_connect(f"{url}/scope", ssl=context, proxy=None) as it:
        told = json.loads(it.recv(30))
    assert told["scheme"] == "wss"
    if not is_peer("uvicorn"):
        assert told["extensions"]["tls"]["tls_version"] == 0x0304
