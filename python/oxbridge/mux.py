"""Which handler answers which request: patterns, as in Go's ServeMux."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TypeVar, overload

from oxbridge import _oxbridge
from oxbridge._oxbridge import Request, ResponseWriter

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


default_mux = Mux()
"""The mux of `oxbridge.route`, and of every server that is given none."""


def _is_async(fn: Handler) -> bool:
    """Whether a call of the handler gives a coroutine. An object may have an async `__call__`."""
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
