"""`oxbridge.testing.serve` with applications."""

from __future__ import annotations

from typing import Any

import pytest

from apps import Asgi, Rsgi, wsgi
from oxbridge import Config, Mux, StartupFailed
from oxbridge.testing import serve


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (wsgi, "wsgi GET /a"),
        (Asgi(), "asgi GET /a by-lifespan"),
        (Rsgi(), "rsgi GET /a"),
        (Config(wsgi, port=0, access_log=False), "wsgi GET /a"),
    ],
)
def test_an_application_is_served(app: Any, said: str) -> None:
    with serve(app) as client:
        assert client.get("/a").text == said


@pytest.mark.parametrize("app", [Asgi(), Rsgi()])
def test_it_lives_as_long_as_the_block(app: Asgi | Rsgi) -> None:
    with serve(app):
        assert app.events == ["startup"]
    assert app.events == ["startup", "shutdown"]


def test_a_startup_that_fails_is_raised() -> None:
    with pytest.raises(StartupFailed, match="no database"), serve(Asgi(failure="no database")):
        raise AssertionError


def test_functions_of_two_parameters_are_handlers_unless_they_are_named_as_those_of_wsgi() -> None:
    def handler(out: Any, asked: Any) -> None:
        out.write(f"handled {asked.path}")

    async def coroutine(out: Any, asked: Any) -> None:
        out.write("awaited")

    def app(e: Any, start_response: Any) -> Any:
        return wsgi(e, start_response)

    def application(environ: Any, s: Any) -> Any:
        return wsgi(environ, s)

    with serve(handler) as client:
        assert client.get("/a").text == "handled /a"
    with serve(coroutine) as client:
        assert client.get("/a").text == "awaited"
    for each in (app, application):
        with serve(each) as client:
            assert client.get("/a").text == "wsgi GET /a"


def test_the_interface_can_be_said() -> None:
    def app(first: Any, second: Any) -> Any:
        return wsgi(first, second)

    with serve(app, interface="wsgi") as client:
        assert client.get("/a").text == "wsgi GET /a"


def test_a_mux_with_an_application_is_served() -> None:
    mux = Mux()
    mux.route("/b", lambda w, req: w.write("b"))
    mux.mount(Asgi())
    with serve(mux) as client:
        assert client.get("/b").text == "b"
        assert client.get("/a").text == "asgi GET /a by-lifespan"
