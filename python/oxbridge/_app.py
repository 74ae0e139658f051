"""One application served in this process: a worker's, or that of `oxbridge serve` without any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oxbridge._app_server import AppServer
from oxbridge._mounted import StartupFailed

if TYPE_CHECKING:
    from oxbridge.config import Config

__all__ = ["AppServer", "StartupFailed", "app_server"]


def app_server(config: Config, app: Any, interface: str, binds: list[str]) -> AppServer:
    """Make what serves an application of this interface.

    What is not needed for it is not imported: asyncio takes six megabytes of each worker.
    """
    if interface in ("asgi", "rsgi"):
        from oxbridge._app_loops import LoopsServer

        return LoopsServer(config, app, interface, binds)
    if interface in ("wsgi", "mux"):
        from oxbridge._app_threads import ThreadsServer

        return ThreadsServer(config, app, interface, binds)
    raise ValueError(f"unknown interface {interface!r}")
