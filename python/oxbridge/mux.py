"""Which handler answers which request: patterns, as in Go's ServeMux."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, overload

from oxbridge import _mounted, _oxbridge
from oxbridge._mounted import AppSettings, DefaultSettings, Mounted
from oxbridge._oxbridge import AsgiApp, Core, Request, ResponseWriter, RsgiApp

Handler = Callable[[ResponseWriter, Request], object]
"""A function or coroutine function of the response and the request. Its result is ignored."""

H = TypeVar("H", bound=Handler)


class Mux:
    """A table of patterns and handlers.

    A pattern is `[METHOD ][HOST]/[PATH]`: "/" matches every path, "/files/" every path below it,
    "/{$}" only the path "/", "GET /users/{id}" one segment, "/files/{path...}" the rest. GET also
    answers HEAD. Of two patterns that match, the more specific one wins, in whatever order they
    were registered.

    A server serves the handlers that its mux had when the server started. A mux may be shared by
    several servers. Any thread may register handlers.
    """

    def __init__(self) -> None:
        self._mux = _oxbridge.Mux()
        # Whether some handler is a coroutine function: only then does a server need an event loop.
        self._has_async = False
        self._has_blocking = False
        self._mounted: Mounted | None = None
        # An application is made anew for each server: it runs on that server's event loop.
        self._starting = threading.Lock()

    @property
    def patterns(self) -> list[str]:
        """The patterns, in the order of their registration."""
        return self._mux.patterns

    def __repr__(self) -> str:
        return f"<oxbridge.Mux with {len(self.patterns)} patterns>"

    @overload
    def route(self, pattern: str, fn: H, *, blocking: bool = True) -> H: ...
    @overload
    def route(
        self, pattern: str, fn: None = None, *, blocking: bool = True
    ) -> Callable[[H], H]: ...
    def route(
        self, pattern: str, fn: H | None = None, *, blocking: bool = True
    ) -> H | Callable[[H], H]:
        """Register a handler for a pattern: as a decorator, or with the function as an argument.

        Returns the function itself, so one function may stand under several patterns.

        Args:
            pattern: What the handler answers; see the class.
            fn: The handler, unless this is used as a decorator. A plain function runs on a worker
                thread and may block; an `async def` runs on the server's event loop and must not.
            blocking: False is a promise that the plain function never waits for anything: it then
                runs inside the server's I/O thread, which is faster, and every client waits while
                it runs. Says nothing for `async def`.

        Raises:
            PatternError: The pattern is malformed, or conflicts with one that is there.
            TypeError: The pattern is not a str, or the handler cannot be called.
        """
        if not isinstance(pattern, str):
            raise TypeError(
                f"a pattern is a str such as 'GET /hello/{{name}}', not {_said(pattern)}"
                + (": write @route('/path') above the function" if callable(pattern) else "")
            )
        if fn is not None:
            self.handle(pattern, fn, blocking=blocking)
            return fn

        def register(fn: H) -> H:
            self.handle(pattern, fn, blocking=blocking)
            return fn

        return register

    def handle(self, pattern: str, fn: Handler, *, blocking: bool = True) -> None:
        """Register a handler for a pattern, as `route` does, without being a decorator."""
        if not callable(fn):
            raise TypeError(
                f"the handler of {pattern!r} must be a function of (w, req), not {_said(fn)}"
            )
        location = _caller()
        if _is_async(fn):
            self._mux.handle_async(pattern, fn, location)
            self._has_async = True
        else:
            self._mux.handle(pattern, fn, blocking, location)
            self._has_blocking = self._has_blocking or blocking

    def mount(
        self, app: Any, *, interface: str = "auto", root_path: str = "", lifespan: str = "auto"
    ) -> None:
        """Have an application answer every request that no pattern matches.

        The application gets methods and paths as the client sent them; the server itself then
        answers no 404 and no 405, and redirects nothing. A WSGI application runs on the worker
        threads, an ASGI or RSGI application on the server's event loop, where it starts before the
        server does (lifespan, `__rsgi_init__`) and ends after it. Each server that serves the mux
        starts and ends it once.

        Args:
            app: A WSGI, ASGI or RSGI application.
            interface: "asgi", "asgi2", "asgi3", "wsgi" or "rsgi", where it does not show.
            root_path: What the path of the application begins with, as a proxy in front sees it.
            lifespan: For ASGI: "on" has a server fail to start if the application does not know
                lifespan, "off" does not ask it.

        Raises:
            RuntimeError: The mux has an application already.
            TypeError: It is no application, or does not show of which kind.
            ValueError: There is no such interface or mode of lifespan.
        """
        if lifespan not in ("auto", "on", "off"):
            raise ValueError(f"lifespan must be 'auto', 'on' or 'off', not {lifespan!r}")
        if root_path and not root_path.startswith("/"):
            raise ValueError(f"root_path must begin with a slash, not {root_path!r}")
        self._mount(app, interface, DefaultSettings(root_path=root_path, lifespan=lifespan))

    def _mount(self, app: Any, interface: str, settings: AppSettings) -> None:
        found = _mounted.read(app, interface, settings)
        if self._mounted is not None:
            raise RuntimeError(f"the mux has an application already: {self._mounted.app!r}")
        self._mounted = found

    @property
    def _needs_loop(self) -> bool:
        """Whether a server of it needs an event loop."""
        return self._has_async or (self._mounted is not None and self._mounted.on_loop)

    @property
    def _may_block(self) -> bool:
        """Whether something of it must run on other threads than an event loop's."""
        return self._has_blocking or (self._mounted is not None and not self._mounted.on_loop)

    def _start(self, core: Core, app: AsgiApp | RsgiApp | None) -> None:
        """Start a server that was made of this mux, with the application as it runs on its loop.

        Raises:
            OSError: An address cannot be listened on.
        """
        with self._starting:
            if app is not None:
                self._mux.mount(app)
            elif self._mounted is not None:
                self._mux.mount(self._mounted.for_threads())
            core.start()


# As `inspect` names it; part of the language since PEP 492.
_CO_COROUTINE = 0x80

default_mux = Mux()
"""The mux of `oxbridge.route`, and of every server that is given none."""


def _is_async(fn: Handler) -> bool:
    """Whether a call of the handler gives a coroutine. An object may have an async `__call__`."""
    if type(fn) is FunctionType and not fn.__dict__:
        # `inspect` looks at the same, but takes a megabyte, and few programs have other handlers.
        return bool(fn.__code__.co_flags & _CO_COROUTINE)
    import inspect

    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(type(fn), "__call__", None)  # noqa: B004 - it is the method itself that counts
    )


def _caller() -> str:
    """Where the program registers: "file.py:12", the first frame outside of this package."""
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").partition(".")[0] == "oxbridge" and frame.f_back:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _said(value: object) -> str:
    """Name a value that is of a wrong type, for an error message."""
    return f"{value!r} ({type(value).__name__})"
