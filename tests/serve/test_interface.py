"""What an application is taken for: rules on plain callables, then the frameworks themselves."""

# The parameters of these applications are what the tests are about.

from __future__ import annotations

import asyncio
import functools
import wsgiref.simple_server
import wsgiref.validate
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from oxbridge import Mux
from oxbridge._cli.errors import CommandError
from oxbridge._cli.interface import detect, is_factory, resolve


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


async def asgi_other_names(a: Any, b: Any, c: Any) -> None: ...


def asgi_by_hand(scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


def asgi2(scope: Any) -> Any:
    async def instance(receive: Any, send: Any) -> None:
        await send(scope)

    return instance


class Asgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Asgi2:
    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await send(self.scope)


def wsgi(environ: Any, start_response: Any) -> Any: ...


def wsgi_other_names(a: Any, b: Any) -> Any: ...


def wsgi_with_more(environ: Any, start_response: Any, extra: Any = None) -> Any: ...


class Wsgi:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...

    def method(self, environ: Any, start_response: Any) -> Any: ...


class WsgiClass:
    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Iterator[bytes]:
        yield b""


class Rsgi:
    async def __rsgi__(self, scope: Any, protocol: Any) -> None: ...


class RsgiAndAsgi(Rsgi, Asgi): ...


async def rsgi(scope: Any, protocol: Any) -> None: ...


def open_to_all(*args: Any, **kwargs: Any) -> Any: ...


def needs_keyword(environ: Any, start_response: Any, *, must: Any) -> Any: ...


def handler(w: Any, req: Any) -> None: ...


def nothing() -> Any: ...


def wrapped(app: Any) -> Any:
    @functools.wraps(app)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return app(*args, **kwargs)

    return wrapper


def bound(app: Callable[..., Any], *args: Any) -> Any:
    return functools.partial(app, *args)


async def asgi_with_first(settings: Any, scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    ("app", "found"),
    [
        (asgi, "asgi"), (asgi_other_names, "asgi"), (asgi_by_hand, "asgi"), (Asgi(), "asgi"),
        (Asgi().__call__, "asgi"), (wrapped(asgi), "asgi"), (bound(asgi_with_first, 1), "asgi"),
        (bound(Asgi()), "asgi"),
        (asgi2, "asgi2"), (Asgi2, "asgi2"),
        (wsgi, "wsgi"), (wsgi_other_names, "wsgi"), (wsgi_with_more, "wsgi"), (Wsgi(), "wsgi"),
        (Wsgi().method, "wsgi"), (WsgiClass, "wsgi"), (wrapped(wsgi), "wsgi"),
        (bound(wsgi), "wsgi"), (wsgiref.simple_server.demo_app, "wsgi"),
        (wsgiref.validate.validator(wsgi), "wsgi"),
        (Rsgi(), "rsgi"), (RsgiAndAsgi(), "rsgi"), (rsgi, "rsgi"),
        (Mux(), "mux"),
        (open_to_all, None), (needs_keyword, None), (handler, None), (nothing, None), (Asgi, None),
        (5, None), (None, None), ("main:app", None), (asyncio, None), (int, None),
    ],
)  # fmt: skip
def test_rules(app: Any, found: str | None) -> None:
    assert detect(app) == found


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (5, "x:y is no application: it is an int, which cannot be called"),
        (None, "x:y is no application: it is a NoneType, which cannot be called"),
        (asyncio, "x:y is no application: it is a module, which cannot be called"),
        (Asgi, "x:y is the class Asgi, not an application"),
        (handler, "x:y looks like a handler; register it on a Mux, or add --interface mux"),
        (open_to_all, "x:y does not show whether it is ASGI, WSGI or RSGI; say so with"),
    ],
)
def test_doubt_is_one_sentence(app: Any, said: str) -> None:
    with pytest.raises(CommandError) as refused:
        resolve(app, "auto", "x:y")
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("wanted", "interface"),
    [("asgi", "asgi"), ("asgi3", "asgi"), ("wsgi", "wsgi"), ("rsgi", "rsgi")],
)
def test_what_is_wanted_is_not_doubted(wanted: str, interface: str) -> None:
    assert resolve(open_to_all, wanted, "x:y") == (open_to_all, interface)


def test_a_mux_is_not_served_as_something_else() -> None:
    with pytest.raises(CommandError, match="is a Mux, which cannot be served as wsgi"):
        resolve(Mux(), "wsgi", "x:y")


def test_a_handler_is_served_by_a_mux_of_its_own() -> None:
    mux, interface = resolve(handler, "mux", "x:y")
    assert interface == "mux"
    assert mux.patterns == ["/"]


@pytest.mark.parametrize("app", [asgi2, Asgi2])
def test_asgi_2_becomes_asgi_3(app: Any) -> None:
    served, interface = resolve(app, "auto", "x:y")
    sent: list[Any] = []

    async def receive() -> Any: ...

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(served({"type": "http"}, receive, send))
    assert interface == "asgi"
    assert sent == [{"type": "http"}]


def test_only_functions_without_parameters_are_factories() -> None:
    assert is_factory(nothing)
    for app in (asgi, wsgi, open_to_all, Asgi, Asgi(), lambda x=1: x, 5):
        assert not is_factory(app)


# The frameworks: module, expression, interface.
FRAMEWORKS = [
    ("flask", "flask.Flask('x')", "wsgi"),
    ("flask", "flask.Flask('x').wsgi_app", "wsgi"),
    ("fastapi", "fastapi.FastAPI()", "asgi"),
    ("starlette.applications", "starlette.applications.Starlette()", "asgi"),
    ("quart", "quart.Quart('x')", "asgi"),
    ("litestar", "litestar.Litestar([])", "asgi"),
    ("werkzeug.wrappers", "werkzeug.wrappers.Request.application(lambda request: None)", "wsgi"),
]


@pytest.mark.parametrize(("module", "expression", "found"), FRAMEWORKS)
@pytest.mark.filterwarnings("ignore")
def test_frameworks(module: str, expression: str, found: str | None) -> None:
    pytest.importorskip(module)
    root = module.partition(".")[0]
    app = eval(expression, {root: __import__(module)})  # written above
    assert detect(app) == found
