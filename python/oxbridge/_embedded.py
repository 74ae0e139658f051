"""Whole applications inside a Rust program: their import, and their life on threads or on a loop.

The program hands requests in by the entrance of the server that each of them has; there is no
socket. A server here is what the program holds: `core`, `begin_stop` and `wait`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Literal

from oxbridge._cli.errors import NotAnApplication
from oxbridge._cli.interface import Asgi2, detect, is_factory, label
from oxbridge._cli.loading import made_by, named, own_traceback
from oxbridge._life import GRACE, Life
from oxbridge._looprun import LoopRun
from oxbridge._mounted import DefaultSettings, Mounted
from oxbridge._oxbridge import Core, WsgiApp
from oxbridge._wsgi import wsgi_app
from oxbridge.eventloop import new_event_loop
from oxbridge.mux import Mux

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["asgi", "wsgi"]

_running: set[OnThreads | OnLoop] = set()


def load(text: str, kind: Kind, *, factory: bool) -> Any:
    """Import the application that "module:attribute" names.

    Raises:
        AppFailed: Its own code raised an exception, which is the cause.
        CommandError: There is no such application; the text says what is there.
    """
    name, app, called = named(text, None, factory=factory)
    return _made(name, app, kind, factory=factory and not called)


def take(app: Any, kind: Kind, *, factory: bool) -> Any:
    """As `load`, for an object that the program has."""
    name = str(getattr(app, "__qualname__", None) or repr(app))
    return _made(name, app, kind, factory=factory)


def _made(name: str, app: Any, kind: Kind, *, factory: bool) -> Any:
    if factory:
        app = made_by(name, app)
        name = f"{name}()"
    elif is_factory(app):
        raise NotAnApplication(
            f"{name} takes no arguments, so it is no application; if it makes one, say that it is "
            "a factory"
        )
    if not callable(app):
        what = type(app).__name__
        raise NotAnApplication(f"{name} is no application: an object of {what} cannot be called")
    found = detect(app)
    if kind == "asgi" and found == "asgi2":
        return Asgi2(app)
    if found not in (None, kind):
        raise NotAnApplication(f"{name} is {label(found)}, not {label(kind)}")
    return app


def describe(error: BaseException) -> tuple[str, str]:
    """Say in one sentence what a start has raised, and give the traceback of the application."""
    cause = error.__cause__
    text = str(error) or type(error).__name__
    if cause is not None and str(cause):
        text = f"{text}: {cause}"
    return text, own_traceback(cause or error)


class OnThreads:
    """A WSGI application on the threads of a server."""

    def __init__(self, app: Any, settings: DefaultSettings, options: Mapping[str, object]) -> None:
        """Start."""
        mux = Mux()
        mux._mounted = _Below(app, "wsgi", settings)
        self._life = Life(mux, [], None, dict(options))
        _running.add(self)

    @property
    def core(self) -> Core:
        """The server."""
        return self._life.core

    def begin_stop(self, timeout: float) -> None:
        """Order the stop and return at once. What runs may finish within the time."""
        self._life.begin_stop(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the stop; False if a request is still being handled."""
        ended = self._life.done.wait(timeout)
        if ended:
            _running.discard(self)
        return ended and self._life._clean


class _Below(Mounted):
    """An application below a path that its host takes off."""

    def for_threads(self) -> WsgiApp:
        return wsgi_app(self.app, root_path=self.settings.root_path, strips_root=False)


class OnLoop:
    """An ASGI application on a loop of its own, in a thread that takes the server's turns."""

    def __init__(self, app: Any, settings: DefaultSettings, options: Mapping[str, object]) -> None:
        """Start, lifespan and all.

        Raises:
            StartupFailed: The application refused.
        """
        mux = Mux()
        mux._mounted = Mounted(app, "asgi", settings)
        self._run = LoopRun(mux, [], None, lambda: dict(options), shutdown_timeout=0)
        self._started = threading.Event()
        self._done = threading.Event()
        self._failure: BaseException | None = None
        # A daemon: what ends it at the interpreter's exit is `_end_all`.
        threading.Thread(target=self._live, name="oxbridge-asgi", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        _running.add(self)

    @property
    def core(self) -> Core:
        """The server."""
        return self._run.core

    def begin_stop(self, timeout: float) -> None:
        """Order the stop and return at once. What runs may finish within the time."""
        self._run.begin_stop(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the stop; False if a task goes on although it was cancelled."""
        ended = self._done.wait(timeout)
        if ended:
            _running.discard(self)
        return ended and self._run.clean

    def _live(self) -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(self._run.run(lambda _: self._started.set()))
        except BaseException as error:
            if self._started.is_set():
                raise
            self._failure = error
        finally:
            if self._run.started:
                # Nobody takes the turns any more: what a loop that broke off has left is cut here.
                self._run.core.begin_stop(0)
                self._run.core.wait(GRACE)
            self._done.set()
            self._started.set()


@atexit.register
def _end_all() -> None:
    """Cut what still runs when the interpreter ends; applications are told of it."""
    running = list(_running)
    for server in running:
        with contextlib.suppress(Exception):
            server.begin_stop(0)
    for server in running:
        server.wait(2 * GRACE)
