"""Finding the application that a text names, and the sentences when it is not there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oxbridge import Config, Mux
from oxbridge._cli import loading
from oxbridge._cli.errors import AppFailed, CommandError
from oxbridge._cli.loading import load, own_traceback

Write = Callable[..., Path]

WSGI = "def {name}(environ, start_response): return []\n"
ASGI = "async def {name}(scope, receive, send): ...\n"


@pytest.fixture(autouse=True)
def no_routes_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what other tests of this process have registered by `oxbridge.route`."""
    monkeypatch.setattr(loading, "default_mux", Mux())


@pytest.fixture
def modules(project: Write) -> Write:
    project("main.py", WSGI.format(name="app") + WSGI.format(name="application"))
    project("only_application.py", ASGI.format(name="application"))
    project("only_api.py", ASGI.format(name="api"))
    project("only_mux.py", "from oxbridge import Mux\nrouter = Mux()\n")
    project("only_handler.py", ASGI.format(name="handler"))
    project("pkg/__init__.py")
    project("pkg/web/__init__.py")
    project("pkg/web/wsgi.py", WSGI.format(name="application"))
    project("site2/app.py", WSGI.format(name="app"))
    project(
        "factories.py",
        """
        async def asgi(scope, receive, send): ...
        def create_app(): return asgi
        def make_app(kind, *, debug=False):
            asgi.made = (kind, debug)
            return asgi
        async def late(): return asgi
        class Site:
            app = staticmethod(asgi)
            @staticmethod
            def build(): return asgi
        site = Site()
        number = 5
        def failing(): raise LookupError("no settings")
        """,
    )
    return project


@pytest.mark.parametrize(
    ("app", "name", "interface"),
    [
        ("main:app", "main:app", "wsgi"),
        ("main", "main:app", "wsgi"),
        ("main:", "main:app", "wsgi"),
        ("only_application", "only_application:application", "asgi"),
        ("only_api", "only_api:api", "asgi"),
        ("only_mux", "only_mux:router", "mux"),
        ("only_handler", "only_handler:handler", "asgi"),
        ("pkg.web.wsgi:application", "pkg.web.wsgi:application", "wsgi"),
        ("pkg/web/wsgi.py", "pkg.web.wsgi:application", "wsgi"),
        ("./pkg/web/wsgi.py:application", "pkg.web.wsgi:application", "wsgi"),
        ("main.py", "main:app", "wsgi"),
        ("site2/app.py:app", "app:app", "wsgi"),
        ("factories:site.app", "factories:site.app", "asgi"),
        ("factories:create_app()", "factories:create_app()", "asgi"),
        ("factories:site.build()", "factories:site.build()", "asgi"),
        ("factories:make_app('x', debug=True)", "factories:make_app('x', debug=True)", "asgi"),
        ("factories:create_app", "factories:create_app()", "asgi"),
    ],
)
def test_what_is_found(modules: Write, app: str, name: str, interface: str) -> None:
    loaded = load(Config(app=app))
    assert (loaded.name, loaded.interface) == (name, interface)
    assert callable(loaded.app) or interface == "mux"


def test_arguments_arrive(modules: Write) -> None:
    app = load(Config(app="factories:make_app('x', debug=True)")).app
    assert app.made == ("x", True)


def test_a_factory_is_called(modules: Write) -> None:
    assert load(Config(app="factories", factory=True)).name == "factories:create_app()"
    assert load(Config(app="factories:create_app", factory=True)).note is None
    noted = load(Config(app="factories:create_app"))
    assert noted.note is not None
    assert "--factory" in noted.note


def test_the_name_of_the_start_line(modules: Write) -> None:
    assert load(Config(app="main:app", name="shop")).name == "shop"


def test_app_dir_goes_before_the_rest(modules: Write) -> None:
    assert load(Config(app="app:app", app_dir="site2")).name == "app:app"
    assert sys.path[0].endswith("/site2")


def test_an_object_is_taken_as_it_is() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    loaded = load(Config(app=app))
    assert loaded.app is app
    assert loaded.interface == "asgi"
    assert loaded.name.startswith(f"{__name__}:")


def test_routes_without_a_mux_are_those_of_the_default_one(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oxbridge import Mux
    from oxbridge._cli import loading

    mux = Mux()
    mux.handle("/", lambda w, req: None)
    monkeypatch.setattr(loading, "default_mux", mux)
    project("routes.py", "")
    loaded = load(Config(app="routes.py"))
    assert loaded.app is mux
    assert loaded.name == "routes:default_mux"


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("mian:app", "there is no module mian in the current directory or among the installed "
         "ones; did you mean main?"),
        ("xyzzy", "there is no module xyzzy in the current directory or among the installed ones"),
        ("pkg.web.wsgo:application", "there is no module pkg.web.wsgo in "),
        ("nopkg.web:app", "there is no module nopkg (for nopkg.web) in "),
        ("main.sub:app", "there is no module main.sub in "),
        ("main:ap", "main has no attribute ap; did you mean app"),
        ("factories:site.ap", "factories:site has no attribute ap; did you mean app?"),
        ("factories", "factories has no application, but create_app; serve "
         "`factories:create_app --factory`"),
        ("pkg", "pkg has none of app, application, api, handler; name the application"),
        ("nowhere/app.py", "there is no file nowhere/app.py to serve"),
        ("pkg/web", "there is no file pkg/web to serve"),
        ("ma in:app", "the application must be named as module:attribute"),
        (":app", "the application must be named as module:attribute"),
        ("http://main", "behind the colon of 'http://main' must be a name"),
        ("main:app[0]", "behind the colon of 'main:app[0]' must be a name"),
        ("main:app(", "behind the colon of 'main:app(' must be a name"),
        ("factories:make_app(open('x'))", "behind the colon of"),
        ("factories:make_app(**{})", "behind the colon of"),
        ("factories:number", "factories:number is no application: it is an int"),
        ("factories:number()", "factories:number cannot be called, so it makes no application"),
        ("factories:late()", "factories:late is a coroutine function, which makes no application"),
        ("factories:Site", "factories:Site is the class Site, not an application"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_what_is_not_there_is_one_sentence(modules: Write, app: str, said: str) -> None:
    with pytest.raises(CommandError) as refused:
        load(Config(app=app))
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "kind", "last"),
    [
        ("import not_installed_anywhere", ModuleNotFoundError, "No module named"),
        ("from os import not_there", ImportError, "cannot import name"),
        ("1 / 0", ZeroDivisionError, "division by zero"),
        ("def app(:", SyntaxError, "invalid syntax"),
        ("import broken_too", ModuleNotFoundError, "deeper"),
    ],
)
def test_the_applications_own_errors_keep_their_traceback(
    project: Write, source: str, kind: type[Exception], last: str
) -> None:
    project("broken.py", source)
    project("broken_too.py", "import broken.deeper")
    with pytest.raises(
        AppFailed, match=r"^broken could not be loaded: its own code raised "
    ) as got:
        load(Config(app="broken:app"))
    cause = got.value.__cause__
    assert isinstance(cause, kind)
    shown = own_traceback(cause)
    assert last in shown
    assert "broken.py" in shown
    assert "_cli" not in shown


def test_a_factory_that_fails(modules: Write) -> None:
    with pytest.raises(AppFailed, match=r"^factories:failing\(\) could not be loaded") as got:
        load(Config(app="factories:failing()"))
    assert got.value.__cause__ is not None
    assert "in failing" in own_traceback(got.value.__cause__)


def test_a_directory_that_is_not_there(project: Write) -> None:
    with pytest.raises(CommandError, match="there is no directory nowhere to look"):
        load(Config(app="main", app_dir="nowhere"))
