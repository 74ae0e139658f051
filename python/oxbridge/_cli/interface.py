"""Finds out what an application speaks: ASGI, WSGI, RSGI, or the server's own handlers.

By what it is first (a `Mux`, an object with `__rsgi__`), then by how it is called: whether that
gives a coroutine, and what its parameters are called and how many there are.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from oxbridge._cli.errors import NotAnApplication
from oxbridge.mux import Mux

Interface = Literal["asgi", "wsgi", "rsgi", "mux"]

_LABELS = {"asgi": "ASGI", "wsgi": "WSGI", "rsgi": "RSGI", "mux": "handlers"}

# Their decorators make WSGI applications of any number of parameters.
_WSGI_HOMES = {"werkzeug", "wsgiref", "webob"}

_ENVIRON = {"environ", "env", "environment", "_environ", "wsgi_environ"}
_START_RESPONSE = {"start_response", "start", "_start_response"}
_SCOPE = {"scope", "_scope"}
_PROTOCOL = {"protocol", "proto", "p"}
_RESPONSE = {"w", "rw", "writer", "response"}
_REQUEST = {"r", "req", "request"}


def label(interface: str) -> str:
    """Return what people call an interface."""
    return _LABELS[interface]


def is_factory(app: object) -> bool:
    """Whether it is a function without parameters: it can only be there to make the application."""
    if not inspect.isroutine(app):
        return False
    shape = _shape(app)
    return shape is not None and shape.most == 0


def resolve(app: Any, wanted: str, name: str) -> tuple[Any, Interface]:
    """Return the application as the server takes it, and its interface.

    ASGI 2 applications come back as ASGI 3, a single handler as a mux.

    Args:
        app: The application.
        wanted: The option `interface`.
        name: What the application is called in errors.

    Raises:
        NotAnApplication: Or one of another kind than wanted, or in doubt.
    """
    found = detect(app) if wanted == "auto" else wanted
    if found is None:
        raise NotAnApplication(_doubt(app, name))
    if found == "mux":
        return _as_mux(app, name), "mux"
    if found == "rsgi" and hasattr(app, "__rsgi__"):
        return app, "rsgi"
    if isinstance(app, Mux):
        raise NotAnApplication(f"{name} is a Mux, which cannot be served as {wanted}")
    if not callable(app):
        raise NotAnApplication(f"{name} is no application: it is {_a(app)}, which cannot be called")
    if found == "asgi2":
        return Asgi2(app), "asgi"
    if found in ("asgi", "asgi3"):
        return app, "asgi"
    return app, "rsgi" if found == "rsgi" else "wsgi"


def detect(app: Any) -> Literal["asgi", "asgi2", "wsgi", "rsgi", "mux"] | None:
    """Find out what an application speaks; None if that is in doubt."""
    if isinstance(app, Mux):
        return "mux"
    if not inspect.isclass(app) and callable(getattr(app, "__rsgi__", None)):
        return "rsgi"
    if not callable(app):
        return None
    if inspect.isclass(app):
        return _of_class(app)
    shape = _shape(app)
    if _is_async(app):
        if shape is None or shape.fits(3):
            return "asgi"
        return "rsgi" if shape.fits(2) and shape.named(_SCOPE, _PROTOCOL) else None
    if _home(app) in _WSGI_HOMES:
        return "wsgi"
    if shape is None:
        return None
    if shape.named(_ENVIRON, None) and shape.fits(2):
        return "wsgi"
    if shape.named(_SCOPE, None):
        if shape.fits(3):
            # A plain function that returns the coroutine of another one.
            return "asgi"
        return "asgi2" if shape.fits(1) else None
    if shape.named(_RESPONSE, _REQUEST) or shape.open:
        return None
    if shape.least == 3:
        return "asgi"
    return "wsgi" if shape.fits(2) else None


def names_wsgi(app: object) -> bool:
    """Whether its parameters are called as those of a WSGI application usually are."""
    shape = _shape(app)
    return shape is not None and (
        shape.named(_ENVIRON) or (len(shape.names) == 2 and shape.names[1] in _START_RESPONSE)
    )


class Asgi2:
    """An ASGI 3 application made of one of ASGI 2, whose `app(scope)` takes receive and send."""

    def __init__(self, app: Callable[[Any], Callable[[Any, Any], Awaitable[None]]]) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one connection."""
        await self.app(scope)(receive, send)


@dataclass(frozen=True)
class _Shape:
    """The positional parameters that a call has to fill."""

    names: tuple[str, ...]
    least: int
    most: float
    open: bool
    """Whether it takes any number, which tells nothing."""

    def fits(self, count: int) -> bool:
        return self.least <= count <= self.most

    def named(self, *names: set[str] | None) -> bool:
        """Whether the first parameters have these names; None is any."""
        return len(self.names) >= len([n for n in names if n]) and all(
            allowed is None or name in allowed
            for name, allowed in zip(self.names, names, strict=False)
        )


def _shape(app: Any) -> _Shape | None:
    """Read the parameters of a callable; None if it does not show them."""
    try:
        parameters = list(inspect.signature(app).parameters.values())
    except (TypeError, ValueError):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        # Nobody would give it that one.
        return _Shape((), 99, 99, open=False)
    rest = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return _Shape(
        tuple(p.name for p in positional),
        sum(p.default is p.empty for p in positional),
        float("inf") if rest else len(positional),
        open=rest and not positional,
    )


def _is_async(app: Any) -> bool:
    """Whether a call gives a coroutine, also below partial, wrappers and `__call__`."""
    return any(map(_is_coroutine_function, _layers(app)))


def _layers(app: Any) -> Iterable[Any]:
    """The callable and what it wraps, outermost first."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        yield app
        if isinstance(app, functools.partial):
            app = app.func
        elif hasattr(app, "__wrapped__"):
            app = app.__wrapped__
        elif inspect.isroutine(app) or inspect.isclass(app):
            app = None
        else:
            app = _call_method(type(app))


def _home(app: Any) -> str:
    """The top package of the code that is called."""
    space = getattr(app, "__globals__", None)
    name = space.get("__name__") if isinstance(space, dict) else type(app).__module__
    return str(name).partition(".")[0]


def _call_method(cls: type) -> Any:
    return getattr(cls, "__call__", None)  # noqa: B004 - it is the method itself that counts


def _is_coroutine_function(app: Any) -> bool:
    # The mark is that of asgiref, and of asyncio before 3.12.
    return inspect.iscoroutinefunction(app) or bool(getattr(app, "_is_coroutine", False))


def _of_class(app: type) -> Literal["asgi", "asgi2", "wsgi"] | None:
    """A class is an application if making an instance of it is a call."""
    if hasattr(app, "__await__"):
        return "asgi"
    shape = _shape(app)
    if shape is None:
        return None
    if shape.fits(2) and shape.named(_ENVIRON, None) and hasattr(app, "__iter__"):
        return "wsgi"
    if shape.fits(1) and shape.named(_SCOPE) and _is_async(_call_method(app)):
        return "asgi2"
    return None


def _as_mux(app: Any, name: str) -> Mux:
    if isinstance(app, Mux):
        return app
    if not callable(app):
        raise NotAnApplication(f"{name} is neither a Mux nor a handler: it is {_a(app)}")
    mux = Mux()
    mux.handle("/", app)
    return mux


def _doubt(app: Any, name: str) -> str:
    """Say why nothing can be said."""
    if not callable(app):
        return f"{name} is no application: it is {_a(app)}, which cannot be called"
    if inspect.isclass(app):
        return (
            f"{name} is the class {app.__name__}, not an application; name an instance of it, or "
            "add --factory if calling it makes one"
        )
    shape = _shape(app)
    if shape is not None and shape.named(_RESPONSE, _REQUEST):
        return f"{name} looks like a handler; register it on a Mux, or add --interface mux"
    return (
        f"{name} does not show whether it is ASGI, WSGI or RSGI; say so with --interface, or add "
        "--factory if calling it makes the application"
    )


def _a(value: object) -> str:
    if inspect.ismodule(value):
        return "a module"
    kind = type(value).__name__
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"
