"""The server's side of PEP 3333: environ, wsgi.input, start_response, closing."""

from __future__ import annotations

import itertools
import ssl
import threading
from urllib.parse import quote

import httpx
import pytest

from app_server import ServeApp, is_peer
from serving import Served
from wire import Wire

DATA = bytes(range(256)) * 4096
_names = itertools.count()


@pytest.fixture(scope="module")
def served(serve_app: ServeApp) -> Served:
    return serve_app("wsgi_app:app", interface="wsgi")


@pytest.fixture(scope="module")
def validated(serve_app: ServeApp) -> Served:
    return serve_app("wsgi_app:validated", interface="wsgi")


def get(served: Served, target: str, **settings: object) -> httpx.Response:
    return httpx.get(f"{served.url}{target}", timeout=30, **settings)  # type: ignore[arg-type]


def environ(served: Served, head: str) -> dict[str, object]:
    """The environ that a request's head makes."""
    with Wire(served.url) as wire:
        wire.send(head.replace("\n", "\r\n") + "\r\n\r\n")
        told = httpx.Response(200, content=wire.answer().read()).json()
    assert told["kinds"] == {"environ": "dict"}
    assert told["bad"] == []
    values: dict[str, object] = told["environ"]
    return values


def closings(served: Served, name: str) -> int:
    """How often the iterable or file of that name was closed, once it was."""
    times: int = get(served, f"/closed?{name}").json()
    return times


# environ


def test_environ_of_a_request(served: Served) -> None:
    told = environ(served, "GET /a/b%20c?d=e%20f&g HTTP/1.1\nHost: example.org:8080\nX-Some: 1")
    assert told["REQUEST_METHOD"] == "GET"
    assert told["SCRIPT_NAME"] == ""
    assert told["PATH_INFO"] == "/a/b c"
    assert told["QUERY_STRING"] == "d=e%20f&g"
    assert told["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert told["HTTP_HOST"] == "example.org:8080"
    assert told["HTTP_X_SOME"] == "1"
    assert told["SERVER_NAME"] == "127.0.0.1"
    assert told["SERVER_PORT"] == str(served.port)
    assert told["REMOTE_ADDR"] == "127.0.0.1"
    assert str(told["REMOTE_PORT"]).isdigit()
    assert told["wsgi.version"] == [1, 0]
    assert told["wsgi.url_scheme"] == "http"
    assert told["wsgi.run_once"] is False
    assert isinstance(told["wsgi.multithread"], bool)
    assert isinstance(told["wsgi.multiprocess"], bool)
    assert "HTTP_CONTENT_LENGTH" not in told
    assert "HTTP_CONTENT_TYPE" not in told
    # CGI/1.1 has these absent or empty without a body.
    assert told.get("CONTENT_LENGTH", "") in ("", "0")
    assert told.get("CONTENT_TYPE", "") == ""
    # Not the process's environment: that is not the client's business.
    if not is_peer("granian"):
        assert "PATH" not in told
        assert "PYTHONUNBUFFERED" not in told


def test_the_server_says_that_it_has_threads(served: Served) -> None:
    assert environ(served, "GET / HTTP/1.1\nHost: a")["wsgi.multithread"] is True


def test_content_fields_of_a_body(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.head("POST", "/environ", {"Content-Length": 2, "Content-Type": "text/x"})
        wire.send("ab")
        told = httpx.Response(200, content=wire.answer().read()).json()["environ"]
    assert (told["CONTENT_LENGTH"], told["CONTENT_TYPE"]) == ("2", "text/x")
    assert "HTTP_CONTENT_LENGTH" not in told
    assert "HTTP_CONTENT_TYPE" not in told


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/caf%C3%A9", "/caf\xc3\xa9"),  # UTF-8, byte for byte as latin-1
        ("/%FF%00", "/\xff\x00"),
        ("/a%2Fb", "/a/b"),
        ("/a%252Fb", "/a%2Fb"),
        ("/a+b", "/a+b"),
        ("//a//b/../c/.", "//a//b/../c/."),
        ("/a;b=c", "/a;b=c"),
        ("/%zz", "/%zz"),
    ],
)
def test_path_info_is_decoded_once_as_latin_1(served: Served, target: str, path: str) -> None:
    told = environ(served, f"GET {target} HTTP/1.1\nHost: a")
    assert told["PATH_INFO"] == path
    assert told["QUERY_STRING"] == ""


def test_query_strings_are_left_as_they_came(served: Served) -> None:
    told = environ(served, "GET /?a=%C3%A9&&=+;?/ HTTP/1.1\nHost: a")
    assert told["QUERY_STRING"] == "a=%C3%A9&&=+;?/"


def test_absolute_targets(served: Served) -> None:
    told = environ(served, "GET http://example.org/x%20y?z HTTP/1.1\nHost: example.org")
    assert (told["PATH_INFO"], told["QUERY_STRING"]) == ("/x y", "z")
    assert told["HTTP_HOST"] == "example.org"


def test_fields_are_latin_1_and_joined(served: Served) -> None:
    told = environ(served, "GET / HTTP/1.1\nHost: a\nX-A: caf\xe9\nX-B: 1\nx-b: 2\nX-Empty:")
    assert told["HTTP_X_A"] == "caf\xe9"
    assert str(told["HTTP_X_B"]).replace(" ", "") == "1,2"
    assert told["HTTP_X_EMPTY"] == ""


def test_cookie_fields_are_joined_by_semicolons(served: Served) -> None:
    told = environ(served, "GET / HTTP/1.1\nHost: a\nCookie: a=1\nCookie: b=2")
    if not is_peer("gunicorn"):  # joins by commas, which no cookie parser reads
        assert told["HTTP_COOKIE"] == "a=1; b=2"


def test_an_underscore_does_not_make_another_field(served: Served) -> None:
    """X_Forwarded_For would be HTTP_X_FORWARDED_FOR too: it must not pass for the proxy's."""
    told = environ(
        served, "GET / HTTP/1.1\nHost: a\nX_Probe: forged\nX-Probe: true\nContent_Length: 7"
    )
    assert told["HTTP_X_PROBE"] == "true"
    assert "HTTP_CONTENT_LENGTH" not in told
    alone = environ(served, "GET / HTTP/1.1\nHost: a\nX_Probe: forged")
    assert "HTTP_X_PROBE" not in alone


def test_http_1_0(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.send("GET /environ HTTP/1.0\r\n\r\n")
        answer = wire.answer()
        told = httpx.Response(200, content=answer.read()).json()["environ"]
        assert told["SERVER_PROTOCOL"] == "HTTP/1.0"
        assert wire.rest() == b""


def test_root_path_is_the_script_name(serve_app: ServeApp) -> None:
    if is_peer("gunicorn", "granian"):
        pytest.skip("the stand-in has no such option for WSGI")
    shop = serve_app("wsgi_app:app", "--root-path", "/shop", interface="wsgi")
    for target in ("/where%20to", "/shop/where%20to"):
        told = environ(shop, f"GET {target} HTTP/1.1\nHost: a")
        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/shop", "/where to")


def test_wsgi_errors_is_a_text_stream(served: Served) -> None:
    assert get(served, "/errors").json() is True
    served.wait_for_line("written to wsgi.errors: grüße")
    served.wait_for_line("one two")


# The validator


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_the_validator_has_nothing_to_say(validated: Served, method: str) -> None:
    body = b"line\nline\n" * 1000 if method in ("POST", "PUT", "PATCH") else None
    got = httpx.request(method, f"{validated.url}/a%20b?c=d", content=body, timeout=30)
    assert got.status_code == 200, validated.stderr
    assert got.content == (body or b"")
    assert "AssertionError" not in validated.stderr


# wsgi.input

LINES = "one\ntwo\r\n\nfour"
READS: list[tuple[list[str], list[object]]] = [
    (["read"], [LINES]),
    (["read -1"], [LINES]),
    (["read 5", "read 100", "read 1"], [LINES[:5], LINES[5:], ""]),
    (["read 0", "read"], ["", LINES]),
    (["read", "read", "readline", "readlines"], [LINES, "", "", []]),
    (["readline", "readline", "readline", "readline", "readline"],
     ["one\n", "two\r\n", "\n", "four", ""]),
    (["readline 2", "readline 2", "readline 9"], ["on", "e\n", "two\r\n"]),
    (["readline -1", "readline 0", "read 3"], ["one\n", "", "two"]),
    (["readlines"], [["one\n", "two\r\n", "\n", "four"]]),
    (["readlines 1", "read"], [["one\n"], "two\r\n\nfour"]),
    (["readline", "readlines"], ["one\n", ["two\r\n", "\n", "four"]]),
    (["read 5", "readline", "iterate"], ["one\nt", "wo\r\n", ["\n", "four"]]),
    (["iterate", "read"], [["one\n", "two\r\n", "\n", "four"], ""]),
]  # fmt: skip


@pytest.mark.parametrize("framing", ["content-length", "chunked", "dribbled"])
@pytest.mark.parametrize(("calls", "expected"), READS, ids=[", ".join(calls) for calls, _ in READS])
def test_reading_the_body(
    served: Served, framing: str, calls: list[str], expected: list[object]
) -> None:
    if is_peer("gunicorn") and calls == ["readlines 1", "read"]:
        pytest.skip("the stand-in ignores the hint")
    target = "/read?" + "&".join(f"call={quote(call)}" for call in calls)
    with Wire(served.url) as wire:
        if framing == "chunked":
            wire.head("POST", target, {"Transfer-Encoding": "chunked"})
            for piece in (LINES[:2], LINES[2:7], LINES[7:]):
                wire.send(f"{len(piece):x}\r\n{piece}\r\n")
            wire.send("0\r\n\r\n")
        else:
            wire.head("POST", target, {"Content-Length": len(LINES)})
            for piece in LINES if framing == "dribbled" else [LINES]:
                wire.send(piece)
        answer = wire.answer()
        assert answer.status == 200, served.stderr
        assert httpx.Response(200, content=answer.read()).json() == expected


def test_the_input_ends_by_itself(served: Served) -> None:
    """Without a body, and with `wsgi.input_terminated` to say so where there is one."""
    assert get(served, "/read?call=read&call=readline&call=iterate").json() == ["", "", []]
    told = environ(served, "GET / HTTP/1.1\nHost: a")
    assert told.get("wsgi.input_terminated") is True


def test_an_unread_body_does_not_become_a_request(served: Served) -> None:
    with Wire(served.url) as wire:
        hidden = "GET /closed?never HTTP/1.1\r\nHost: a\r\n\r\n"
        wire.head("POST", "/one-piece", {"Content-Length": len(hidden)})
        wire.send(hidden)
        assert wire.answer().read() == b"known length"
        wire.head("GET", "/late")
        assert wire.answer().read() == b"late"


def test_a_body_that_is_kept_unread_does_not_keep_the_connection(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.head("PUT", "/keep", {"Transfer-Encoding": "chunked"})
        wire.send("3\r\nabc\r\n")
        assert wire.answer("PUT").read() == b'"kept"'
        # More would come: the server neither waits for it nor takes it for a request.
        wire.socket.settimeout(5)
        assert wire.rest() == b""


def test_a_large_body_in_pieces(served: Served) -> None:
    body = (b"y" * 50_000 for _ in range(100))
    assert httpx.post(f"{served.url}/count", content=body, timeout=30).json() == 5_000_000


def test_a_client_that_leaves_while_it_sends(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.head("POST", "/count", {"Content-Length": 1000})
        wire.send("half")
    assert get(served, "/one-piece").content == b"known length"


# start_response


def test_write_comes_before_the_iterable(served: Served) -> None:
    assert get(served, "/write").text == "one two three"
    assert get(served, "/write/only").text == "all of it"


def test_exc_info_before_the_head_replaces_it(served: Served) -> None:
    got = get(served, "/exc_info/before")
    assert (got.status_code, got.text) == (503, "second")
    if not is_peer("gunicorn"):  # adds to the fields it has, where PEP 3333 says replace
        assert "x-first" not in got.headers
    assert got.headers["x-second"] == "yes"


def test_exc_info_after_the_head_raises_it(served: Served) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        get(served, "/exc_info/after")
    served.wait_for_line("too late to change")


def test_a_second_start_without_exc_info_is_an_error(served: Served) -> None:
    assert get(served, "/twice").text == "AssertionError"


def test_a_generator_may_start_late(served: Served) -> None:
    got = get(served, "/late")
    assert (got.status_code, got.reason_phrase, got.text) == (201, "Late", "late")
    assert got.headers["x-late"] == "yes"


@pytest.mark.parametrize("path", ["/never", "/after-a-piece"])
def test_no_start_before_the_body_is_a_500(served: Served, path: str) -> None:
    if is_peer("gunicorn"):
        pytest.skip("the stand-in answers with nothing, or with half a head")
    assert get(served, path).status_code == 500
    assert get(served, "/late").text == "late"


def test_empty_pieces_do_not_end_a_chunked_answer(served: Served) -> None:
    assert get(served, "/empty-pieces").text == "ab"


def test_a_piece_is_sent_before_the_next_is_asked_for(served: Served) -> None:
    with httpx.stream("GET", f"{served.url}/on-demand", timeout=30) as got:
        lines = got.iter_lines()
        assert next(lines) == "first"
        assert get(served, "/release").json() is True
        assert next(lines) == "second"


def test_the_length_of_one_piece_is_told(served: Served) -> None:
    got = get(served, "/one-piece")
    if not is_peer("gunicorn"):  # PEP 3333 lets a server, gunicorn does not
        assert got.headers.get("content-length") == "12"
    assert got.text == "known length"


def test_repeated_and_latin_1_fields(served: Served) -> None:
    got = get(served, "/headers")
    assert got.headers.get_list("x-many") == ["1", "2"]
    assert got.headers.get_list("set-cookie") == ["a=1", "b=2"]
    raw = dict(got.headers.raw)
    assert raw[b"X-Latin" if b"X-Latin" in raw else b"x-latin"] == b"caf\xe9"
    assert got.headers["x-empty"] == ""


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        ("200 OK", 200, "OK"),
        ("404 Gone Fishing", 404, "Gone Fishing"),
        ("299 ", 299, ""),
        ("299", 299, ""),
    ],
)
def test_status_and_reason(served: Served, status: str, code: int, reason: str) -> None:
    if status == "299" and is_peer("gunicorn"):
        pytest.skip("the stand-in wants the space")
    with Wire(served.url) as wire:
        wire.head("GET", f"/status?{status.replace(' ', '+')}")
        answer = wire.answer()
        assert (answer.status, answer.reason) == (code, reason)
        assert answer.read() == b"status"


@pytest.mark.parametrize("case", ["connection", "transfer-encoding", "keep-alive", "upgrade"])
def test_fields_of_the_connection_are_the_servers(served: Served, case: str) -> None:
    """PEP 3333 forbids them, and applications that stream events send them: they are left out."""
    if is_peer("gunicorn") and case == "upgrade":
        pytest.skip("the stand-in lets an upgrade through")
    with Wire(served.url) as wire:
        for _ in range(2):
            wire.head("GET", f"/bad-start?{case}")
            answer = wire.answer()
            assert answer.read() == b"nothing was raised"
            assert case == "connection" or case not in {name.lower() for name in answer.headers}


REFUSED = [
    "line-feed",
    "carriage-return",
    "name-colon",
    "name-empty",
    "name-space",
    "not-latin-1",
    "bytes",
    "number",
    "status-words",
    "status-line-feed",
    "status-number",
    "status-informational",
]


@pytest.mark.parametrize("case", REFUSED)
def test_a_start_that_http_forbids_is_refused_in_the_call(served: Served, case: str) -> None:
    if is_peer("gunicorn"):
        pytest.skip("the stand-in drops some of these silently, and sends others")
    assert get(served, f"/bad-start?{case}").text in ("AssertionError", "ValueError", "TypeError")


def test_a_body_that_is_not_bytes(served: Served) -> None:
    if is_peer("gunicorn"):
        with pytest.raises(httpx.RemoteProtocolError):
            get(served, "/not-bytes")
        return
    assert get(served, "/not-bytes").status_code == 500


# Content-Length of the application's own


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_length_that_holds(served: Served, method: str) -> None:
    with Wire(served.url) as wire:
        for _ in range(2):
            wire.head(method, f"/content-length?5-{next(_names)}")
            answer = wire.answer(method)
            assert answer.headers["Content-Length"] == "5"
            assert answer.read() == (b"xxxxx" if method == "GET" else b"")


def test_less_than_declared_cuts_the_connection(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.head("GET", f"/content-length?3-{next(_names)}")
        if is_peer("gunicorn"):
            pytest.skip("the stand-in keeps the connection: the client waits for ever")
        rest = wire.rest()
    # Nobody may take the three bytes for the answer.
    assert b" 500 " in rest.split(b"\r\n", 1)[0] or rest.endswith(b"\r\n\r\nxxx")


def test_more_than_declared_never_reaches_the_client(served: Served) -> None:
    with Wire(served.url) as wire:
        wire.head("GET", f"/content-length?8-{next(_names)}", {"Connection": "close"})
        # The five that were declared, or a 500, or a cut.
        assert b"xxxxxx" not in wire.rest()


# When things are closed


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/normal", "GET"),
        ("/normal", "HEAD"),
        ("/not-modified", "GET"),
        ("/raise/first", "GET"),
        ("/raise/midway", "GET"),
        ("/content-length", "GET"),
        ("/content-length", "HEAD"),
        ("/endless", "GET"),
        ("/endless", "HEAD"),
    ],
)
def test_the_iterable_is_closed_once(served: Served, path: str, method: str) -> None:
    if is_peer("gunicorn") and (path, method) == ("/endless", "HEAD"):
        pytest.skip("the stand-in asks an endless iterable for its body")
    name = f"5-{next(_names)}"
    with Wire(served.url) as wire:
        wire.head(method, f"{path}?{name}")
        answer = wire.answer(method)
        assert answer.status == {"/not-modified": 304, "/raise/first": 500}.get(path, 200)
        if path == "/endless":
            assert answer.read(10) == (b"" if method == "HEAD" else b"x" * 10)
        # And leave: of an endless answer only the leaving makes an end.
    assert closings(served, name) == 1


def test_an_exception_is_a_500_with_its_traceback_logged(served: Served) -> None:
    got = get(served, "/raise")
    assert got.status_code == 500
    assert "meant to fail before" not in got.text
    served.wait_for_line("RuntimeError: meant to fail before")


def test_an_exception_midway_cuts_the_answer(served: Served) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        get(served, f"/raise/midway?{next(_names)}")
    served.wait_for_line("RuntimeError: meant to fail midway")


# wsgi.file_wrapper


@pytest.mark.parametrize("kind", ["real", "memory"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("offset", "declared"), [(0, None), (0, len(DATA)), (1000, None), (1000, 5000), (len(DATA), 0)]
)
def test_files(served: Served, kind: str, method: str, offset: int, declared: int | None) -> None:
    name = f"file-{next(_names)}"
    target = f"/file?{kind},{offset},{'' if declared is None else declared},{name}"
    got = httpx.request(method, f"{served.url}{target}", timeout=30)
    expected = DATA[offset:] if declared is None else DATA[offset : offset + declared]
    assert got.content == (expected if method == "GET" else b"")
    if declared is not None:
        assert got.headers["content-length"] == str(declared)
    assert closings(served, name) == 1


def test_a_client_that_leaves_a_file(served: Served) -> None:
    name = f"file-{next(_names)}"
    with Wire(served.url, receive_buffer=4096) as wire:
        wire.head("GET", f"/file?real,0,,{name}")
        assert wire.line().startswith(b"HTTP/1.1 200")
    assert closings(served, name) == 1


# Threads


def test_twenty_that_wait_do_not_stall_another(served: Served) -> None:
    waiting = [Wire(served.url) for _ in range(20)]
    try:
        for wire in waiting:
            wire.head("GET", "/hold")
        for _ in range(10):
            assert get(served, "/one-piece").status_code == 200
        # The last that they wait for.
        assert get(served, "/hold").status_code == 200
        threads = {wire.answer().read() for wire in waiting}
    finally:
        for wire in waiting:
            wire.close()
    assert len(threads) == 20


def test_requests_at_once_do_not_mix(served: Served) -> None:
    wrong: list[object] = []

    def ask(n: int) -> None:
        with httpx.Client(base_url=served.url, timeout=30) as client:
            for m in range(20):
                told = client.post(f"/read?call=read&{n}={m}", content=f"{n}.{m}").json()
                if told != [f"{n}.{m}"]:
                    wrong.append(told)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_https_is_the_url_scheme(serve_app: ServeApp, certificates: object) -> None:
    served = serve_app(
        "wsgi_app:app",
        "--ssl-certfile",
        str(certificates.chain),  # type: ignore[attr-defined]
        "--ssl-keyfile",
        str(certificates.key),  # type: ignore[attr-defined]
        interface="wsgi",
    )
    context = ssl.create_default_context(cafile=certificates.authority)  # type: ignore[attr-defined]
    url = served.url.replace("127.0.0.1", "localhost")
    for http2 in (False, True):
        with httpx.Client(verify=context, http2=http2) as client:
            got = client.get(f"{url}/environ")
            told = got.json()["environ"]
            assert told["wsgi.url_scheme"] == "https"
            if not is_peer("gunicorn"):
                assert got.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
                assert told["SERVER_PROTOCOL"].startswith(got.http_version)
                assert told["HTTP_HOST"] == url.removeprefix("https://")
