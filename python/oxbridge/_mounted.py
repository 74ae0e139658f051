"""An application below a mux: what it speaks, and what it is told about where it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from oxbridge._oxbridge import WsgiApp


class StartupFailed(RuntimeError):
    """An application refused to start. The message is one sentence for its operator."""


class AppSettings(Protocol):
    """What of a configuration an application is told, or is called by. Sizes are in bytes."""

    @property
    def root_path(self) -> str:
        """The path below which it was mounted by a proxy."""

    @property
    def lifespan(self) -> str:
        """Whether ASGI's lifespan is used: "auto", "on", "off"."""

    @property
    def processes(self) -> int:
        """How many processes run it."""

    @property
    def ws_max_size(self) -> int:
        """The size of a WebSocket's message."""

    @property
    def ws_max_queue(self) -> int:
        """How many messages may wait for it."""

    @property
    def ws_ping_interval(self) -> float | None:
        """Seconds from one ping to the next; None for none."""

    @property
    def ws_ping_timeout(self) -> float | None:
        """Seconds for the answer to a ping; None for as long as it takes."""

    @property
    def ws_per_message_deflate(self) -> bool:
        """Whether messages are compressed for clients that offer it."""


class DefaultSettings(NamedTuple):
    """The settings of an application that comes without a `Config`: the same defaults."""

    root_path: str = ""
    lifespan: str = "auto"
    processes: int = 1
    ws_max_size: int = 16 << 20
    ws_max_queue: int = 32
    ws_ping_interval: float | None = 20.0
    ws_ping_timeout: float | None = 20.0
    ws_per_message_deflate: bool = True


class Mounted:
    """An application that answers whatever no pattern of its mux matches."""

    def __init__(
        self, app: Any, interface: Literal["asgi", "wsgi", "rsgi"], settings: AppSettings
    ) -> None:
        self.app = app
        self.interface = interface
        self.settings = settings

    @property
    def on_loop(self) -> bool:
        """Whether it runs on an event loop; else it runs on threads."""
        return self.interface != "wsgi"

    def for_threads(self) -> WsgiApp:
        """Return it as the server calls it on its threads: only for WSGI."""
        from oxbridge._wsgi import wsgi_app

        return wsgi_app(
            self.app,
            root_path=self.settings.root_path,
            multiprocess=self.settings.processes > 1,
        )


def read(app: Any, interface: str, settings: AppSettings) -> Mounted:
    """Find out what an application speaks, unless `interface` says it.

    Raises:
        TypeError: It is no application, or does not show of which kind.
        ValueError: There is no such interface.
    """
    from oxbridge._cli.errors import CommandError
    from oxbridge._cli.interface import detect, resolve

    if interface not in ("auto", "asgi", "asgi2", "asgi3", "wsgi", "rsgi"):
        raise ValueError(
            f"interface must be 'auto', 'asgi', 'asgi2', 'asgi3', 'wsgi' or 'rsgi', "
            f"not {interface!r}"
        )
    if interface == "auto" and callable(app) and detect(app) is None:
        raise TypeError(
            f"{app!r} does not show whether it is ASGI, WSGI or RSGI: say so by interface=, or "
            "register it on a Mux if it is a handler of (w, req)"
        )
    try:
        found, spoken = resolve(app, interface, _name(app))
    except CommandError as error:
        raise TypeError(str(error)) from None
    if spoken == "mux":
        raise TypeError(f"{app!r} is a mux, and cannot be mounted on another one")
    return Mounted(cast(Callable[..., Any], found), spoken, settings)


def is_handler(target: object) -> bool:
    """Whether a callable is rather a handler of (w, req) than an application.

    It is one if nothing shows that it is an application, and if it is a plain function that could
    be WSGI but does not name its parameters so.
    """
    import inspect

    from oxbridge._cli.interface import detect, names_wsgi

    if not callable(target):
        return False
    found = detect(target)
    by_shape = found == "wsgi" and not names_wsgi(target)
    return found is None or (by_shape and inspect.isroutine(target))


def _name(app: Any) -> str:
    """Return what an application is called in errors."""
    return str(getattr(app, "__qualname__", None) or repr(app))
