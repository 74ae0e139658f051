"""What a handler learns of a request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from oxbridge import BadBody, BodyTooLarge, ClientGone, Request, ResponseWriter
from oxbridge.testing import Response, serve
from wire import Wire

Look = Callable[[Request], Any]


def ask(
    look: Look,
    method: str = "GET",
    target: str = "/",
    body: Any = None,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> Any:
    """Serve one request with a handler that answers with what `look` sees in it."""

    def handler(w: ResponseWriter, req: Request) -> None:
        w.json(look(req))

    with serve(handler, **options) as client:
        answer = client.request(method, target, body, headers)
    assert answer.status == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("target", "url", "path", "raw_path", "query"),
    [
        ("/", "/", "/", "/", []),
        ("/a%20b/%C3%BC?x=1", "/a%20b/%C3%BC?x=1", "/a b/\u00fc", "/a%20b/%C3%BC", [["x", "1"]]),
        ("/a%2Fb", "/a%2Fb", "/a/b", "/a%2Fb", []),
        ("/?a=1&b=2&a=3", "/?a=1&b=2&a=3", "/", "/", [["a", "1"], ["b", "2"], ["a", "3"]]),
        ("/?a=x+y%2Bz&b=&c", "/?a=x+y%2Bz&b=&c", "/", "/", [["a", "x y+z"], ["b", ""], ["c", ""]]),
    ],
)
def test_the_target(target: str, url: str, path: str, raw_path: str, query: list[Any]) -> None:
    seen = ask(lambda req: [req.url, req.path, req.raw_path, req.query.items()], target=target)
    assert seen == [url, path, raw_path, query]


def test_a_query_is_a_mapping_of_first_values() -> None:
    def look(req: Request) -> Any:
        query = req.query
        with pytest.raises(KeyError):
            query["c"]
        return [
            query["a"],
            query.get("b"),
            query.get("c"),
            query.get("c", "none"),
            query.get_all("a"),
            query.get_all("c"),
            list(query),
            query.keys(),
            query.values(),
            len(query),
            "a" in query,
            "c" in query,
            dict(query),
        ]

    assert ask(look, target="/?a=1&b=2&a=3") == [
        "1",
        "2",
        None,
        "none",
        ["1", "3"],
        [],
        ["a", "b"],
        ["a", "b"],
        ["1", "2"],
        2,
        True,
        False,
        {"a": "1", "b": "2"},
    ]


def test_headers_are_a_mapping_in_any_case_that_cannot_be_changed() -> None:
    def look(req: Request) -> Any:
        headers = req.headers
        changes: list[Callable[[], object]] = [
            lambda: headers.add("X-A", "b"),
            lambda: headers.__setitem__("X-A", "b"),
            lambda: headers.__delitem__("X-One"),
        ]
        for change in changes:
            with pytest.raises(TypeError, match="request cannot be changed"):
                change()
        with pytest.raises(KeyError):
            headers["X-None"]
        return [
            headers["x-one"],
            headers.get("X-ONE"),
            headers.get("X-None"),
            headers.get("X-None", "none"),
            headers.get_all("x-Many"),
            "X-Many" in headers,
            "X-None" in headers,
            [name for name in headers if name.startswith("X-")],
            [item for item in headers.items() if item[0].startswith("X-")],
            len(headers),
        ]

    def handler(w: ResponseWriter, req: Request) -> None:
        w.json(look(req))

    with serve(handler) as client, Wire(client.url) as wire:
        wire.send("GET / HTTP/1.1\r\nHost: t\r\nx-one: 1\r\nX-Many: a\r\nX-many: b\r\n\r\n")
        answer = wire.answer()
        assert answer.status == 200
        assert json.loads(answer.read()) == [
            "1",
            "1",
            None,
            "none",
            ["a", "b"],
            True,
            False,
            ["X-One", "X-Many"],
            [["X-One", "1"], ["X-Many", "a"], ["X-Many", "b"]],
            3,
        ]


def test_where_it_came_from_and_how() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        w.json([req.method, req.host, req.scheme, req.proto, req.local_addr, req.remote_addr])

    with serve(handler) as client:
        address = client.url.removeprefix("http://")
        first = client.request("PATCH", "/").json()
        assert first[:5] == ["PATCH", address, "http", "HTTP/1.1", address]
        host, _, port = first[5].rpartition(":")
        assert host == "127.0.0.1"
        assert 0 < int(port) < 65536
        assert client.get("/", {"Host": "Example.org:81"}).json()[1] == "Example.org:81"
        with httpx.Client(http1=False, http2=True) as http2:
            answer = http2.get(client.url + "/")
            assert answer.http_version == "HTTP/2"
            assert answer.json()[:5] == ["GET", address, "http", "HTTP/2.0", address]
        with Wire(client.url) as wire:
            wire.send("GET / HTTP/1.0\r\n\r\n")
            assert json.loads(wire.answer().read())[1:4] == ["", "http", "HTTP/1.0"]


def test_without_tls_there_is_none() -> None:
    assert ask(lambda req: req.tls) is None


def test_cookies() -> None:
    cookies = ask(lambda req: req.cookies, headers={"Cookie": 'a=1; b="two"; c=x=y; nothing'})
    assert cookies == {"a": "1", "b": "two", "c": "x=y"}
    assert ask(lambda req: req.cookies) == {}


# The body


def text(req: Request) -> str:
    return req.body.decode()


def test_the_body_is_read_once_and_kept() -> None:
    assert ask(lambda req: [text(req), text(req)], "POST", body="hello") == ["hello", "hello"]
    assert ask(text) == ""


def test_a_body_holds_any_bytes() -> None:
    assert ask(lambda req: list(req.body), "POST", body=bytes(range(256))) == list(range(256))


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("blocking", [False, True])
def test_a_body_of_any_size_is_read_in_any_way(size: int, chunked: bool, blocking: bool) -> None:
    def by_steps(req: Request) -> bytes:
        pieces = []
        while piece := req.read(1000):
            assert len(piece) <= 1000
            pieces.append(piece)
        assert req.read(1000) == req.read() == b""
        return b"".join(pieces)

    ways: list[Callable[[Request], bytes]] = [
        lambda req: req.body,
        lambda req: req.read(),
        b"".join,
        by_steps,
    ]
    sent = bytes(i * 31 % 251 for i in range(1000)) * (size // 1000 + 1)
    sent = sent[:size]

    def handler(w: ResponseWriter, req: Request) -> None:
        w.header["Length"] = str(req.content_length)
        w.write(ways[int(req.query["way"])](req))

    # A handler that promised not to block gets its body whole.
    with serve(handler, buffer_body=0 if blocking else 4_000_000) as client:
        for way in range(len(ways)):
            body = iter([sent[:500], sent[500:]]) if chunked else sent
            answer = client.request("POST", f"/?way={way}", body)
            assert answer.body == sent
            if not chunked:
                assert answer.headers["Length"] == str(size)


def test_the_length_of_a_chunked_body_is_not_known_before() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        w.json(req.content_length)

    with serve(handler, buffer_body=0) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Transfer-Encoding": "chunked"})
        answer = wire.answer()
        assert json.loads(answer.read()) is None


def test_a_body_is_handed_over_as_it_arrives() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        while piece := req.read(100):
            w.write(piece.upper())
            w.flush()

    with serve(handler, buffer_body=0) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Content-Length": 6})
        wire.send("abc")
        answer = wire.answer("POST")
        assert answer.read(3) == b"ABC"
        wire.send("def")
        assert answer.read() == b"DEF"


def test_lines() -> None:
    def look(req: Request) -> list[str]:
        lines = [req.readline() for _ in range(5)]
        return [line.decode() for line in lines]

    assert ask(look, "POST", body="one\ntwo\r\n\nlast") == ["one\n", "two\r\n", "\n", "last", ""]


def test_trailers_come_after_the_body() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        w.json([len(req.trailers), req.read().decode(), dict(req.trailers)])

    with serve(handler, buffer_body=0) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Transfer-Encoding": "chunked", "Trailer": "X-Sum"})
        wire.send("3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")
        assert json.loads(wire.answer().read()) == [0, "abc", {"X-Sum": "7"}]


def test_expect_100_continue_is_answered_when_the_handler_reads() -> None:
    with serve(lambda w, req: w.write(req.read())) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Content-Length": 2, "Expect": "100-continue"})
        assert wire.line() == b"HTTP/1.1 100 Continue\r\n"
        assert wire.line() == b"\r\n"
        wire.send("ok")
        assert wire.answer().read() == b"ok"


# JSON


def test_json() -> None:
    value = {"a": [1, 2.5, None, True], "\u00fc": "\u20ac"}
    assert ask(lambda req: req.json(), "POST", body=json.dumps(value)) == value
    assert ask(lambda req: [req.json(), text(req)], "POST", body="5") == [5, "5"]


@pytest.mark.parametrize("body", ["", "{", "nope", b"\xff\xfe\xfd"])
def test_what_is_no_json_is_a_bad_body(body: str | bytes) -> None:
    def look(req: Request) -> str:
        with pytest.raises(BadBody) as error:
            req.json()
        return str(error.value)

    assert "JSON" in ask(look, "POST", body=body)


# Forms

URLENCODED = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def test_a_form_is_read_from_body_and_query() -> None:
    seen = ask(
        lambda req: [req.form.items(), req.form.get_all("a")],
        "POST",
        "/?a=q&d=4",
        "a=1&b=two+words&c=%E2%82%AC",
        URLENCODED,
    )
    fields = [["a", "1"], ["b", "two words"], ["c", "\u20ac"], ["a", "q"], ["d", "4"]]
    assert seen == [fields, ["1", "q"]]


def test_without_a_form_in_the_body_there_is_the_query() -> None:
    assert ask(lambda req: dict(req.form), target="/?a=1") == {"a": "1"}
    seen = ask(lambda req: [dict(req.form), text(req)], "POST", "/?a=1", "b=2")
    assert seen == [{"a": "1"}, "b=2"]


def multipart(look: Look, files: Any, data: Any = None, **options: Any) -> Any:
    """Send a multipart form with httpx."""

    def handler(w: ResponseWriter, req: Request) -> None:
        w.json(look(req))

    with serve(handler, **options) as client, httpx.Client() as browser:
        answer = browser.post(client.url + "/", files=files, data=data)
        assert answer.status_code == 200, answer.text
        return answer.json()


def test_the_parts_of_a_multipart_body() -> None:
    def look(req: Request) -> Any:
        return [
            [
                part.name,
                part.filename,
                part.content_type,
                part.headers["x-extra"],
                part.read().decode(),
            ]
            if part.filename
            else [part.name, part.filename, part.content_type, part.read().decode()]
            for part in req.multipart()
        ]

    files = {"file": ("na me.txt", b"contents", "text/plain", {"X-Extra": "yes"})}
    assert multipart(look, files, {"field": "value"}) == [
        ["field", None, None, "value"],
        ["file", "na me.txt", "text/plain", "yes", "contents"],
    ]


def test_a_part_is_read_in_steps_or_left_behind() -> None:
    def look(req: Request) -> Any:
        parts = iter(req.multipart())
        first = next(parts)
        start = first.read(10)
        second = next(parts)
        with pytest.raises(RuntimeError, match="left behind"):
            first.read()
        sizes = sum(len(piece) for piece in second)
        assert second.read() == b""
        with pytest.raises(StopIteration):
            next(parts)
        return [len(start) <= 10, sizes]

    files = [("a", ("a", bytes(200_000))), ("b", ("b", bytes(3_000_000)))]
    assert multipart(look, files) == [True, 3_000_000]


def test_text_fields_of_a_multipart_form() -> None:
    boundary = "----b"
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in [("a", "1"), ("b", "x y"), ("a", "2")]
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    seen = ask(
        lambda req: req.form.items(), "POST", body=f"{body}--{boundary}--\r\n", headers=headers
    )
    assert seen == [["a", "1"], ["b", "x y"], ["a", "2"]]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, "a=1"),
        ({"Content-Type": "multipart/form-data"}, "no boundary"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, "--b\r\nno end"),
    ],
)
def test_what_is_no_multipart_form_is_a_bad_body(headers: dict[str, str], body: str) -> None:
    def look(req: Request) -> bool:
        with pytest.raises(BadBody):
            [part.read() for part in req.multipart()]
        return True

    assert ask(look, "POST", body=body, headers=headers)


# What goes wrong


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("buffer_body", [0, 65536])
def test_a_body_past_the_limit_is_413(chunked: bool, buffer_body: int) -> None:
    with serve(lambda w, req: w.write(req.body), max_body=1000, buffer_body=buffer_body) as client:

        def send(size: int) -> Response:
            body: Any = iter([bytes(size)]) if chunked else bytes(size)
            return client.request("POST", "/", body)

        assert send(1000).status == 200
        assert send(1001).status == 413


def test_a_handler_may_catch_a_body_past_the_limit() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        try:
            req.read()
        except BodyTooLarge as error:
            w.error(str(error), 413)

    with serve(handler, max_body=10, buffer_body=0) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Transfer-Encoding": "chunked"})
        wire.send("b\r\nhello world\r\n0\r\n\r\n")
        answer = wire.answer()
        assert answer.status == 413
        assert b"10" in answer.read()


def test_a_client_that_hangs_up_in_the_middle_of_its_body() -> None:
    seen: list[BaseException] = []
    started = threading.Event()

    def handler(w: ResponseWriter, req: Request) -> None:
        started.set()
        try:
            req.body  # noqa: B018 - reading it is the point
        except ClientGone as error:
            seen.append(error)
            raise

    with serve(handler, buffer_body=0) as client, Wire(client.url) as wire:
        wire.head("POST", "/", {"Content-Length": 10})
        wire.send("half")
        assert started.wait(20)
        # The server ends after its handlers, so what they saw is there afterwards.
    (error,) = seen
    assert isinstance(error, ConnectionError)


def test_a_request_cannot_be_made_or_changed() -> None:
    with pytest.raises(TypeError):
        Request()  # type: ignore[call-arg,unused-ignore]
    with pytest.raises(TypeError):
        ResponseWriter()  # type: ignore[call-arg,unused-ignore]

    def look(req: Request) -> bool:
        with pytest.raises(AttributeError):
            req.method = "PUT"  # type: ignore[misc]
        return True

    assert ask(look)
