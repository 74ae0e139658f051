r"""An HTTP server written in Rust, with handlers written in Python.

    from oxbridge import route, run

    @route("GET /hello/{name}")
    def hello(w, req):
        w.write(f"Hello, {req.path_value('name')}!\n")

    run(host="127.0.0.1", port=5000)

A handler gets a `ResponseWriter` and a `Request`, as in Go's net/http, and may be a plain function
or a coroutine function. Patterns are those of Go's ServeMux. What goes wrong is reported on the
logger `oxbridge`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oxbridge._mounted import StartupFailed
from oxbridge._oxbridge import (
    Admin,
    BadBody,
    BodyTimeout,
    BodyTooLarge,
    ClientGone,
    Headers,
    Metrics,
    Part,
    PatternError,
    Request,
    ResponseEnded,
    ResponseWriter,
    Tls,
    TlsInfo,
    Values,
)
from oxbridge._run import run, shutdown
from oxbridge.mux import Handler, Mux, default_mux
from oxbridge.options import Options
from oxbridge.server import Server

if TYPE_CHECKING:
    from oxbridge._serve import serve
    from oxbridge.config import Config, ConfigError

    __version__: str
    """The package's version."""

route = default_mux.route
"""Register a handler on `default_mux`: see `Mux.route`."""

__all__ = [
    "Admin",
    "BadBody",
    "BodyTimeout",
    "BodyTooLarge",
    "ClientGone",
    "Config",
    "ConfigError",
    "Handler",
    "Headers",
    "Metrics",
    "Mux",
    "Options",
    "Part",
    "PatternError",
    "Request",
    "ResponseEnded",
    "ResponseWriter",
    "Server",
    "StartupFailed",
    "Tls",
    "TlsInfo",
    "Values",
    "__version__",
    "default_mux",
    "route",
    "run",
    "serve",
    "shutdown",
]

# What a program with handlers of its own does without is imported when it is first asked for.
_LATER = {
    "Config": "oxbridge.config",
    "ConfigError": "oxbridge.config",
    "serve": "oxbridge._serve",
}


def __getattr__(name: str) -> Any:
    """Import what is imported late (PEP 562)."""
    if name in _LATER:
        from importlib import import_module

        value = getattr(import_module(_LATER[name]), name)
    elif name == "__version__":
        from importlib.metadata import version

        value = version("oxbridge")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what is imported late, too."""
    return sorted({*globals(), *__all__})
