"""WebSocket of the frameworks that have it, each over ws: and wss:."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager

import frameworks
import httpx
import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as websocket_connect

from app_server import ServeApp
from serving import Served

WITH_WEBSOCKET = [name for name, one in frameworks.FRAMEWORKS.items() if one.websocket]

Connect = Callable[..., AbstractContextManager[ClientConnection]]


@pytest.fixture(scope="module", params=WITH_WEBSOCKET)
def name(request: pytest.FixtureRequest) -> str:
    which: str = request.param
    return which


@pytest.fixture(scope="module")
def served(name: str, serve_app: ServeApp, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return frameworks.begin(serve_app, name, tmp_path_factory.mktemp("websocket"))


@pytest.fixture
def connect(served: Served) -> Connect:
    """Open a WebSocket: `with connect("/ws/echo") as socket`."""

    def opened(path: str, **settings: object) -> ClientConnection:
        url = served.url.replace("http", "ws", 1) + path
        return websocket_connect(url, proxy=None, **settings)  # type: ignore[arg-type]

    return opened


def test_text_and_binary_and_empty_messages(connect: Connect, name: str) -> None:
    messages: list[str | bytes] = ["Grüße", b"\x00\xff", "", "a" * 500_000, b"b" * 200_000]
    if name != "quart":  # Quart takes an empty binary message for a missing one, and fails
        messages.append(b"")
    with connect("/ws/echo") as socket:
        for message in messages:
            socket.send(message)
            assert socket.recv(30) == message


def test_a_message_in_fragments(connect: Connect) -> None:
    with connect("/ws/echo") as socket:
        socket.send(iter(["Gr", "üß", "e"]))
        assert socket.recv(30) == "Grüße"


@pytest.mark.parametrize("compression", ["deflate", None])
def test_compression_is_negotiated(connect: Connect, compression: str | None) -> None:
    with connect("/ws/echo", compression=compression) as socket:
        named = [one.name for one in socket.protocol.extensions]
        assert named == (["permessage-deflate"] if compression else [])
        socket.send("again and " * 1000)
        assert socket.recv(30) == "again and " * 1000


def test_json_messages(connect: Connect) -> None:
    with connect("/ws/json") as socket:
        socket.send(json.dumps({"a": ["ü", None]}))
        assert json.loads(socket.recv(30)) == {"got": {"a": ["ü", None]}}
        with pytest.raises(ConnectionClosedOK):
            socket.recv(30)


def test_the_subprotocol_is_the_applications_choice(connect: Connect) -> None:
    with connect("/ws/subprotocol", subprotocols=["chat", "superchat"]) as socket:
        assert socket.subprotocol == "superchat"
        assert json.loads(socket.recv(30)) == ["chat", "superchat"]


def test_the_application_closes_with_code_and_reason(connect: Connect) -> None:
    with connect("/ws/close") as socket, pytest.raises(ConnectionClosedError) as caught:
        socket.recv(30)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "enough")


def test_the_client_closes_with_a_code(connect: Connect, served: Served, name: str) -> None:
    with connect("/ws/echo?tell=1") as socket:
        socket.close(4002, "bye")
        assert socket.close_code == 4002
    if frameworks.FRAMEWORKS[name].close_codes:
        assert httpx.get(f"{served.url}/ws/closed", timeout=30).json() == {"code": 4002}


def test_a_client_that_vanishes_is_1006(connect: Connect, served: Served, name: str) -> None:
    if not frameworks.FRAMEWORKS[name].close_codes:
        return
    with connect("/ws/echo?tell=1") as socket:
        socket.send("here")
        assert socket.recv(30) == "here"
        socket.socket.shutdown(2)
    assert httpx.get(f"{served.url}/ws/closed", timeout=30).json()["code"] in (1005, 1006)


def test_a_refusal_before_the_accept_is_403(connect: Connect) -> None:
    with pytest.raises(InvalidStatus) as caught, connect("/ws/refuse"):
        pass
    assert caught.value.response.status_code == 403


def test_a_refusal_with_an_answer_of_its_own(connect: Connect, name: str) -> None:
    if not frameworks.FRAMEWORKS[name].denial:
        return
    with pytest.raises(InvalidStatus) as caught, connect("/ws/denial"):
        pass
    assert caught.value.response.status_code == 503
    assert json.loads(caught.value.response.body or b"") == {"why": "closed on Sundays"}


def test_over_tls(
    name: str,
    serve_app: ServeApp,
    certificates: object,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    served = frameworks.begin(
        serve_app,
        name,
        tmp_path_factory.mktemp("wss"),
        "--ssl-certfile",
        str(certificates.chain),  # type: ignore[attr-defined]
        "--ssl-keyfile",
        str(certificates.key),  # type: ignore[attr-defined]
    )
    context = ssl.create_default_context(cafile=certificates.authority)  # type: ignore[attr-defined]
    url = served.url.replace("https://127.0.0.1", "wss://localhost") + "/ws/echo"
    with websocket_connect(url, ssl=context, proxy=None) as socket:
        socket.send("secret")
        assert socket.recv(30) == "secret"
