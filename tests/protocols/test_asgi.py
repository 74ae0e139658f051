"""The server's side of ASGI 3, HTTP: scope, receive, send, and asyncio around them."""

from __future__ import annotations

import itertools
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from app_server import ServeApp, is_peer
from serving import Served
from wire import Wire

_names = (f"n{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def served(serve_app: ServeApp) -> Served:
    return serve_app("asgi_app:app", interface="asgi")


@pytest.fixture(scope="module")
def encrypted(serve_app: ServeApp, certificates: object) -> Served:
    keys = certificates
    return serve_app(
        "asgi_app:app",
        *("--ssl-certfile", str(keys.chain)),  # type: ignore[attr-defined]
        *("--ssl-keyfile", str(keys.key)),  # type: ignore[attr-defined]
        interface="asgi",
    )


def get(served: Served, target: str, **settings: object) -> httpx.Response:
    return httpx.get(f"{served.url}{target}", timeout=30, **settings)  # type: ignore[arg-type]


def noted(served: Served, name: str) -> object:
    """What the request of that name noted, once it does."""
    got = get(served, f"/note?name={name}")
    assert got.status_code == 200, served.stderr
    value: object = got.json()
    return value


def scope_of(served: Served, head: str) -> dict[str, object]:
    """The scope that a request's head makes."""
    with Wire(served.url) as wire:
        wire.send(head.replace("\n", "\r\n") + "\r\n\r\n")
        told: dict[str, object] = httpx.Response(200, content=wire.answer().read()).json()
    return told


def as_bytes(text: str) -> dict[str, str]:
    return {"bytes": text}


# scope


def test_the_scope_to_the_letter(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.send("GET /a%20b?c=%20d HTTP/1.1\r\nHost: example.org\r\nX-Mixed: Case\r\n\r\n")
        told = httpx.Response(200, content=wire.answer().read()).json()
        own = wire.socket.getsockname()
    assert told["is_dict"]
    assert told["type"] == "http"
    assert told["asgi"]["version"] == "3.0"
    assert told["asgi"]["spec_version"] in ("2.3", "2.4", "2.5")
    assert told["http_version"] == "1.1"
    assert told["method"] == "GET"
    assert told["scheme"] == "http"
    assert told["path"] == "/a b"
    assert told["raw_path"] == as_bytes("/a%20b")
    assert told["query_string"] == as_bytes("c=%20d")
    assert told["root_path"] == ""
    assert told["headers"] == [
        [as_bytes("host"), as_bytes("example.org")],
        [as_bytes("x-mixed"), as_bytes("Case")],
    ]
    assert told["client"] == [own[0], own[1]]
    assert told["server"] == ["127.0.0.1", served.port]
    assert isinstance(told.get("extensions", {}), dict)
    assert told["state"]["shared"] == []


def test_the_extensions_it_has(served: Served) -> None:
    if is_peer("uvicorn", "granian"):
        pytest.skip("ours has more")
    extensions = get(served, "/scope").json()["extensions"]
    for name in ("http.response.trailers", "http.response.early_hint", "http.response.pathsend"):
        assert extensions[name] == {}
    assert "tls" not in extensions


def test_the_lifespans_scope(served: Served) -> None:
    told = get(served, "/scope").json()["state"]["scope"]
    assert told["type"] == "lifespan"
    assert told["asgi"]["version"] == "3.0"
    assert told["asgi"]["spec_version"] in ("1.0", "2.0")
    assert "scope" not in told["state"]


@pytest.mark.parametrize(
    ("target", "path", "raw"),
    [
        ("/caf%C3%A9", "/caf\xe9", "/caf%C3%A9"),
        ("/a%2Fb%252F", "/a/b%2F", "/a%2Fb%252F"),
        ("//a//../b/.", "//a//../b/.", "//a//../b/."),
        ("/a+b;c=d", "/a+b;c=d", "/a+b;c=d"),
        ("/", "/", "/"),
    ],
)
def test_paths(served: Served, target: str, path: str, raw: str) -> None:
    told = scope_of(served, f"GET {target} HTTP/1.1\nHost: a")
    assert (told["path"], told["raw_path"]) == (path, as_bytes(raw))
    assert told["query_string"] == as_bytes("")


def test_a_path_that_is_no_utf_8_is_answered(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.head("GET", "/%FF%FE")
        assert wire.answer().status in (200, 400)


def test_fields_keep_order_repetition_and_bytes(served: Served) -> None:
    told = scope_of(served, "GET / HTTP/1.1\nHost: a\nX-B: 1\nX-A: caf\xe9\nx-b: 2\nX-Empty:")
    fields = told["headers"]
    assert isinstance(fields, list)
    told = [[name["bytes"], value["bytes"]] for name, value in fields]
    # What has one name keeps its order (RFC 9110, 5.3); between names there is none.
    assert sorted(told, key=lambda pair: str(pair[0])) == [
        ["host", "a"],
        ["x-a", "caf\xe9"],
        ["x-b", "1"],
        ["x-b", "2"],
        ["x-empty", ""],
    ]


def test_http_1_0(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.send("GET /scope HTTP/1.0\r\n\r\n")
        told = httpx.Response(200, content=wire.answer().read()).json()
        assert wire.rest() == b""
    assert told["http_version"] == "1.0"
    assert told["headers"] == []


def test_root_path(serve_app: ServeApp) -> None:
    """The path has the prefix in it, whether the proxy took it off or not."""
    if is_peer("granian"):
        pytest.skip("the stand-in takes the prefix off")
    shop = serve_app("asgi_app:app", "--root-path", "/shop", interface="asgi")
    told = scope_of(shop, "GET /a%20b HTTP/1.1\nHost: a")
    assert told["root_path"] == "/shop"
    assert told["path"] == "/shop/a b"


def test_the_scopes_are_nobody_elses(served: Served) -> None:
    """Of two requests on one connection each has a state of its own, with the same contents."""
    with httpx.Client(base_url=served.url) as client:
        first, second = client.get("/state").json(), client.get("/state").json()
    assert first[0] == second[0] == 1
    assert second[1] == first[1] + 1


@pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "h2"])
def test_scope_over_tls(encrypted: Served, certificates: object, http2: bool) -> None:
    context = ssl.create_default_context(cafile=certificates.authority)  # type: ignore[attr-defined]
    url = encrypted.url.replace("127.0.0.1", "localhost")
    with httpx.Client(verify=context, http2=http2) as client:
        got = client.get(f"{url}/scope?q", headers={"X-Some": "1"})
        told = got.json()
    assert told["scheme"] == "https"
    if is_peer("uvicorn"):
        return
    assert got.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert told["http_version"] == ("2" if http2 else "1.1")
    names = [name["bytes"] for name, _ in told["headers"]]
    assert names.count("host") == 1  # also from :authority
    assert not [name for name in names if name.startswith(":")]
    if is_peer("granian"):
        return
    tls = told["extensions"]["tls"]
    assert tls["tls_version"] == 0x0304
    assert tls["cipher_suite"] in range(0x1301, 0x1306)
    assert tls["client_cert_chain"] == []
    assert tls["client_cert_name"] is None
    assert tls["client_cert_error"] is None
    assert "server_cert" in tls


# receive


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_a_body(served: Served, size: int, chunked: bool) -> None:
    data = b"0123456789" * (size // 10) + b"x" * (size % 10)
    content = (data[at : at + 9000] for at in range(0, size, 9000)) if chunked else data
    told = httpx.post(f"{served.url}/body", content=content, timeout=30).json()
    assert told == {"size": size, "kinds": ["http.request"], "first": data[:20].decode()}


def test_a_body_that_nobody_takes_stops_its_sender(served: Served) -> None:
    name = next(_names)
    total = 60_000_000
    with Wire(served.url) as wire:
        wire.head("POST", f"/body/held?name={name}", {"Content-Length": total})
        wire.send(b"x" * 1000)
        first = noted(served, name)
        assert isinstance(first, int)
        wire.socket.settimeout(1)
        sent = 1000
        try:
            while sent < total:
                sent += wire.socket.send(b"x" * 65536)
        except TimeoutError:
            pass
        assert sent < 30_000_000, "the server takes what nobody asked for"
        wire.socket.settimeout(30)
        assert get(served, f"/go?name={name}").json() is True
        wire.send(b"x" * (total - sent))
        assert int(wire.answer().read()) == total - first


def test_receive_waits_after_the_body(served: Served) -> None:
    name = next(_names)
    assert get(served, f"/after-the-end?name={name}").json() == {"waits": True}
    # The answer's end is the end: what else could come?
    assert noted(served, name) == ["http.disconnect", "http.disconnect"]


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_a_client_that_leaves_is_a_disconnect_at_once(served: Served, how: str) -> None:
    name = next(_names)
    with Wire(served.url) as wire:
        wire.head("GET", f"/left?name={name}")
        assert noted(served, name) == "ready"
        if how == "resets":
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    told = noted(served, name)
    assert isinstance(told, list)
    first, again, errors = told
    assert (first, again) == ("http.disconnect", "http.disconnect")
    if not is_peer("uvicorn", "granian"):  # spec 2.4: send() raises a subclass of OSError
        assert errors
        assert all(is_os_error for _, is_os_error in errors)


def test_a_client_that_leaves_midway_ends_the_stream(served: Served) -> None:
    if is_peer("uvicorn", "granian"):
        pytest.skip("the stand-in lets the application send for ever")
    name = next(_names)
    with Wire(served.url) as wire:
        wire.head("GET", f"/left/midway?name={name}")
        assert wire.line().startswith(b"HTTP/1.1 200")
    assert noted(served, name)
    assert get(served, "/bare").status_code == 201


def test_receive_may_be_cancelled_and_resumed(served: Served) -> None:
    name = next(_names)
    with Wire(served.url) as wire:
        # A short body of known length would be gathered before the application sees any of it.
        wire.head("POST", f"/receive-cancelled?name={name}", {"Transfer-Encoding": "chunked"})
        assert noted(served, name) == "ready"
        assert noted(served, name) == "cancelled"
        wire.send("5\r\n01234\r\n")
        wire.send("5\r\n56789\r\n0\r\n\r\n")
        assert httpx.Response(200, content=wire.answer().read()).json() == [True, "0123456789"]
        assert noted(served, name) == "http.disconnect"


# send


def test_pieces_also_empty_ones(served: Served) -> None:
    assert get(served, "/pieces").text == "a" + "b" * 100_000


def test_a_piece_goes_out_before_the_next(served: Served) -> None:
    name = next(_names)
    with httpx.stream("GET", f"{served.url}/on-demand?name={name}", timeout=30) as got:
        lines = got.iter_lines()
        assert next(lines) == "first"
        assert get(served, f"/go?name={name}").json() is True
        assert next(lines) == "second"


def test_fields_of_an_answer(served: Served) -> None:
    got = get(served, "/headers")
    assert got.headers.get_list("x-many") == ["1", "2"]
    assert {name.lower(): value for name, value in got.headers.raw}[b"x-upper"] == b"caf\xe9"
    assert got.headers["x-list"] == ""


def test_the_least_that_an_answer_is(served: Served) -> None:
    with Wire(served.url) as wire:
        for _ in range(2):
            wire.head("GET", "/bare")
            answer = wire.answer()
            assert (answer.status, answer.read()) == (201, b"")


def test_head(served: Served) -> None:
    with Wire(served.url) as wire:
        for target, length in (("/declared?size=5", "5"), ("/pieces", None)):
            wire.head("HEAD", target)
            answer = wire.answer("HEAD")
            assert (answer.status, answer.read()) == (200, b"")
            assert length is None or answer.headers["Content-Length"] == length


def test_back_pressure(served: Served) -> None:
    if is_peer("granian"):
        pytest.skip("the stand-in has more in flight than a client takes")
    name = next(_names)
    with Wire(served.url, receive_buffer=4096) as wire:
        wire.head("GET", f"/unread?name={name}")
        sent = noted(served, name)
    assert isinstance(sent, int)
    # The kernel's buffers on both sides, and the server's own.
    assert sent < 16_000_000


@pytest.mark.parametrize("size", [3, 8])
def test_a_length_that_does_not_hold(served: Served, size: int) -> None:
    with Wire(served.url) as wire:
        wire.head("GET", f"/declared?size={size}", {"Connection": "close"})
        rest = wire.rest()
    assert b"xxxxxx" not in rest
    assert b" 500 " in rest.split(b"\r\n", 1)[0] or len(rest.partition(b"\r\n\r\n")[2]) <= 5
    assert get(served, "/bare").status_code == 201


@pytest.mark.parametrize("path", ["/raise", "/return"])
def test_no_answer_is_a_500(served: Served, path: str) -> None:
    got = get(served, path)
    assert got.status_code == 500
    assert "meant to fail" not in got.text
    if path == "/raise":
        served.wait_for_line("RuntimeError: meant to fail before")


@pytest.mark.parametrize("path", ["/raise/midway", "/return/midway"])
def test_half_an_answer_is_cut(served: Served, path: str) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        get(served, path)
    if path == "/raise/midway":
        served.wait_for_line("RuntimeError: meant to fail midway")


BAD_SENDS = [
    "body first",
    "start twice",
    "body after the end",
    "start after the end",
    "no type",
    "unknown type",
    "a websocket's",
    "status missing",
    "status a str",
    "status out of range",
    "header a str",
    "header with a line feed",
    "header with a name that is none",
    "body a str",
    "trailers not announced",
]
# What uvicorn sends on, or breaks the connection over without telling the application.
LENIENT = {
    "header a str",
    "status out of range",
    "header with a line feed",
    "header with a name that is none",
}


@pytest.mark.parametrize("case", BAD_SENDS)
def test_messages_out_of_order_raise(served: Served, case: str) -> None:
    if is_peer("granian") or (is_peer("uvicorn") and case in LENIENT):
        pytest.skip("the stand-in takes it")
    name = next(_names)
    # Whatever the answer is: it is one, or the connection is cut.
    with Wire(served.url) as wire:
        wire.head(
            "GET", httpx.URL("/bad-send", params={"name": name, "case": case}).raw_path.decode()
        )
        assert isinstance(noted(served, name), str), "nothing was raised"
    assert get(served, "/bare").status_code == 201


# Extensions


def needs(served: Served, extension: str) -> None:
    """Skip where a stand-in does not offer the extension. Ours must."""
    if is_peer("uvicorn", "granian"):
        told = get(served, "/scope").json().get("extensions") or {}
        if extension not in told:
            pytest.skip(f"the stand-in has no {extension}")


def test_trailers(served: Served) -> None:
    needs(served, "http.response.trailers")
    with Wire(served.url) as wire:
        wire.head("GET", "/trailers", {"TE": "trailers"})
        wire.send("GET /bare HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = wire.rest().lower()
    assert b"\r\ndata\r\n0\r\nx-one: 1\r\nx-two: 2\r\n\r\nhttp/1.1 201" in got


def test_trailers_nobody_asked_for(served: Served) -> None:
    """RFC 9110, 6.5.1: they may be left out then; the answer is whole all the same."""
    needs(served, "http.response.trailers")
    assert get(served, "/trailers").content == b"data"


def test_early_hints(served: Served) -> None:
    needs(served, "http.response.early_hint")
    with Wire(served.url) as wire:
        wire.head("GET", "/early-hints", {"Connection": "close"})
        got = wire.rest()
    hints, _, final = got.partition(b"\r\n\r\n")
    assert hints.startswith(b"HTTP/1.1 103 ")
    assert hints.lower().count(b"link:") in (1, 2)
    assert b"</a.css>; rel=preload; as=style" in hints
    assert final.startswith(b"HTTP/1.1 200 ")
    assert final.endswith(b'"after the hints"')


def test_pathsend(served: Served, tmp_path: Path) -> None:
    needs(served, "http.response.pathsend")
    data = bytes(range(256)) * 10_000
    for content in (data, b""):
        (tmp_path / "file").write_bytes(content)
        for method in ("GET", "HEAD"):
            url = f"{served.url}/pathsend"
            asked = {"path": str(tmp_path / "file"), "size": len(content)}
            got = httpx.request(method, url, params=asked, timeout=30)
            assert got.content == (content if method == "GET" else b"")
            assert got.headers["content-length"] == str(len(content))


# asyncio

EXPECTED: dict[str, object] = {
    "context": ["unset", "mine", "mine"],
    "current_task": [True, True, True],
    "task_group": [[0, 2, 4], True],
    "timeout": True,
    "executor": 2470,
    "subprocess": ["through a pipe", 0],
    "timers": [[1, 2, 3, 4, 5], [], True],
    "signal": True,
    "call_soon_threadsafe": True,
    "sockets": "HELLO\n",
    "async_generators": True,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_asyncio_in_an_application(served: Served, name: str) -> None:
    for _ in range(2):  # a second time, on the same connection's or another's context
        got = get(served, f"/asyncio?name={name}")
        assert got.status_code == 200, served.stderr
        assert got.json() == EXPECTED[name]


def test_those_that_wait_do_not_stall_another(served: Served) -> None:
    waiting = [Wire(served.url) for _ in range(50)]
    try:
        for wire in waiting:
            wire.head("GET", "/hold")
        assert get(served, "/bare").status_code == 201
        # The last that they wait for.
        assert get(served, "/hold").json() is True
        assert {wire.answer().read() for wire in waiting} == {b"true"}
    finally:
        for wire in waiting:
            wire.close()
