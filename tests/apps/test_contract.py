"""What must hold for an application whatever it is written with: each test, each framework."""

from __future__ import annotations

import hashlib
import re
import signal
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import content
import frameworks
import httpx
import pytest

from app_server import ServeApp, is_peer
from serving import Served
from wire import Wire


@dataclass
class Site:
    """A framework's application being served, and a client of it."""

    name: str
    served: Served
    client: httpx.Client

    @property
    def framework(self) -> frameworks.Framework:
        return frameworks.FRAMEWORKS[self.name]


@pytest.fixture(scope="module", params=frameworks.FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=["http/1.1", "h2"])
def site(
    request: pytest.FixtureRequest,
    framework: str,
    serve_app: ServeApp,
    certificates: object,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Serve a framework's application over HTTP/1.1, and over HTTP/2 in TLS."""
    encrypted = request.param == "h2"
    options: list[str] = []
    verify: ssl.SSLContext | bool = True
    if encrypted:
        keys = [f"--ssl-certfile={certificates.chain}", f"--ssl-keyfile={certificates.key}"]  # type: ignore[attr-defined]
        options = [part for key in keys for part in key.split("=", 1)]
        verify = ssl.create_default_context(cafile=certificates.authority)  # type: ignore[attr-defined]
    place = tmp_path_factory.mktemp("site")
    served = frameworks.begin(serve_app, framework, place, *options)
    # `localhost`: certificates name it, and Django allows it.
    url = served.url.replace("127.0.0.1", "localhost") if encrypted else served.url
    with httpx.Client(base_url=url, http2=encrypted, verify=verify, timeout=30) as client:
        yield Site(framework, served, client)


def test_json_is_answered_in_the_protocol_asked_for(site: Site) -> None:
    answer = site.client.get("/json")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == {"message": content.GREETING}
    assert int(answer.headers["content-length"]) == len(answer.content)
    if site.client.base_url.scheme == "https" and not is_peer("uvicorn", "gunicorn"):
        assert answer.http_version == "HTTP/2"


def test_path_parameters_are_decoded_once(site: Site) -> None:
    answer = site.client.get("/path/gr%C3%BC%C3%9Fe%20%26%20100%2525/end")
    assert answer.json() == {"value": "grüße & 100%25"}


def test_query_parameters_keep_order_and_repetition(site: Site) -> None:
    answer = site.client.get("/query?a=1&b=%C3%BC+%26&a=2%3D&b=")
    values = answer.json()
    assert values["a"] == ["1", "2="]
    assert values["b"][0] == "ü &"


def test_urlencoded_forms(site: Site) -> None:
    answer = site.client.post("/form", data={"a": ["1", "zwei & drei"], "b": ["ü", "="]})
    assert answer.json() == {"a": ["1", "zwei & drei"], "b": ["ü", "="]}


def test_multipart_forms_with_a_file(site: Site) -> None:
    data = content.LARGE[:3_000_000]
    answer = site.client.post(
        "/multipart",
        data={"title": "Übung"},
        files={"file": ("bücher.bin", data, "application/octet-stream")},
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["fields"] == {"title": "Übung"}
    assert told["name"] == "bücher.bin"
    assert told["size"] == len(data)
    assert told["sha256"] == hashlib.sha256(data).hexdigest()


def test_every_cookie_is_set_and_comes_back(site: Site) -> None:
    answer = site.client.get("/cookies/set")
    set_cookies = answer.headers.get_list("set-cookie")
    assert len(set_cookies) == 2
    assert re.search(r"^one=1;.*httponly", set_cookies[0], re.IGNORECASE)
    site.client.cookies.clear()
    # In HTTP/2 a client may send each cookie in a field of its own: the application sees one.
    answer = site.client.get("/cookies", headers=[("cookie", "one=1; two=2")])
    assert answer.json() == {"one": "1", "two": "2"}


def test_a_generator_is_streamed(site: Site) -> None:
    with site.client.stream("GET", "/stream") as answer:
        assert "content-length" not in answer.headers
        assert b"".join(answer.iter_raw()) == b"".join(content.PIECES)


def test_a_file_is_sent(site: Site) -> None:
    answer = site.client.get("/file")
    assert answer.content == content.FILE.read_bytes()
    assert int(answer.headers["content-length"]) == content.FILE.stat().st_size
    assert re.search(r'attachment; filename="?content\.txt', answer.headers["content-disposition"])


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_an_upload_is_read_in_pieces(site: Site, chunked: bool) -> None:
    if chunked and site.name == "django-wsgi":
        # Django's WSGI handler reads as much as Content-Length says, which is nothing here; the
        # rest of the body must not be taken for a request.
        # In HTTP/2 no more than one window: httpx waits for another even when it has the answer.
        is_h2 = site.client.base_url.scheme == "https"
        sent = content.LARGE[:50_000] if is_h2 else content.LARGE
        answer = site.client.put("/upload", content=iter([sent]))
        # A body that is short and has come before the handler is called has a length after all.
        assert answer.json()["size"] in ({0, len(sent)} if is_h2 else {0})
        assert site.client.get("/json").status_code == 200
        return
    body = (content.LARGE[at : at + 100_000] for at in range(0, len(content.LARGE), 100_000))
    answer = site.client.put("/upload", content=body if chunked else content.LARGE)
    assert answer.json() == content.digest(iter([content.LARGE]))


def test_a_large_answer(site: Site) -> None:
    assert site.client.get("/large").content == content.LARGE


def test_a_redirect(site: Site) -> None:
    answer = site.client.get("/redirect")
    assert answer.status_code == 302
    assert answer.next_request is not None
    assert answer.next_request.url == site.client.base_url.join("/json")
    assert site.client.send(answer.next_request).json() == {"message": content.GREETING}


def test_an_exception_is_a_500_and_the_server_lives(site: Site) -> None:
    assert site.client.get("/error").status_code == 500
    site.served.wait_for_line("meant to fail")
    if not is_peer("uvicorn"):  # closes the connection unannounced, though the answer was whole
        assert site.client.get("/json").status_code == 200


def test_an_exception_after_the_start_cuts_the_answer(site: Site) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        site.client.get("/error/late")
    site.served.wait_for_line("meant to fail late")
    assert site.client.get("/json").status_code == 200


def test_repeated_request_fields_are_joined(site: Site) -> None:
    answer = site.client.get("/headers", headers=[("x-probe", "1"), ("X-Probe", "2")])
    assert re.fullmatch(r"1, ?2", answer.json()["probe"])


def test_head_has_the_fields_and_no_body(site: Site) -> None:
    got, head = site.client.get("/json"), site.client.head("/json")
    assert (head.status_code, head.content) == (200, b"")
    if site.name != "litestar":  # which has no HEAD of a GET, so the application answers nothing
        assert head.headers["content-length"] == got.headers["content-length"]
    # The connection is in step afterwards.
    assert site.client.get("/json").json() == {"message": content.GREETING}


def test_options(site: Site) -> None:
    answer = site.client.options("/options")
    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, OPTIONS"


def test_no_content_has_no_body_and_no_length(site: Site) -> None:
    answer = site.client.get("/empty")
    assert (answer.status_code, answer.content) == (204, b"")
    if not is_peer("gunicorn", "uvicorn", "granian"):  # RFC 9110 8.6: a server MUST NOT send it
        assert "content-length" not in answer.headers
    assert "transfer-encoding" not in answer.headers


def test_where_the_request_came_from_and_went_to(site: Site) -> None:
    told = site.client.get("/where").json()
    assert told["client"] == "127.0.0.1"
    assert told["scheme"] == site.client.base_url.scheme
    assert told["root"] == ""
    assert told["path"] == "/where"
    assert told["link"] == str(site.client.base_url.join("/json"))


def test_events_come_as_they_are_sent(site: Site) -> None:
    with site.client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in answer.iter_lines() if line.startswith("data:"))
        assert next(lines) == "data: first"
        # Only now does the application go on: nothing may have waited for the second event.
        assert httpx.post(f"{site.client.base_url}/events/next", verify=_any()).is_success
        assert list(lines) == ["data: second"]


def test_a_client_that_leaves_ends_the_stream(site: Site) -> None:
    # A client of its own, since it is the connection that it leaves: httpx resets no stream.
    url = f"{site.client.base_url.join('/endless')}"
    http2 = site.client.base_url.scheme == "https"
    with (
        httpx.Client(http2=http2, verify=_any(), timeout=30) as leaving,
        leaving.stream("GET", url) as answer,
    ):
        assert next(answer.iter_raw()).startswith(b"data: 0")
    assert site.client.get("/left").json() == {"left": True}


def test_state_of_the_lifespan(site: Site) -> None:
    if not site.framework.lifespan:
        return  # WSGI has none, and Django answers none
    assert site.client.get("/state").json() == {"started": "yes"}


def test_background_work_outlives_the_answer(site: Site) -> None:
    if not site.framework.lifespan:
        return
    assert site.client.post("/background").status_code == 202
    assert site.client.get("/background/done").json() == {"done": True}


def _any() -> ssl.SSLContext:
    """A context that takes any certificate, for a second client."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# Behind a prefix


@pytest.fixture(scope="module")
def mounted(
    framework: str, serve_app: ServeApp, tmp_path_factory: pytest.TempPathFactory
) -> Served:
    """Serve a framework's application as `/shop` of a proxy that keeps the prefix."""
    if is_peer("gunicorn", "granian"):
        pytest.skip("the stand-in has no such option for this interface")
    place = tmp_path_factory.mktemp("mounted")
    return frameworks.begin(serve_app, framework, place, "--root-path", "/shop")


def test_links_of_an_application_behind_a_prefix(mounted: Served, framework: str) -> None:
    # A router takes the prefix off itself.
    prefix = "/shop" if is_peer("axum") else ""
    told = httpx.get(f"{mounted.url}{prefix}/where").json()
    assert told["root"] == "/shop"
    assert told["path"] == "/where"
    assert told["link"] == f"{mounted.url}/shop/json"


# Ends


def test_the_server_stops_with_the_lifespan(
    framework: str, serve_app: ServeApp, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not frameworks.FRAMEWORKS[framework].lifespan:
        return
    served = frameworks.begin(serve_app, framework, tmp_path_factory.mktemp("ending"))
    with Wire(served.url) as idle:
        idle.head("GET", "/json")
        assert idle.answer().read()
        assert served.stop() == (-signal.SIGTERM if is_peer("uvicorn") else 0)
        assert idle.rest() == b""
