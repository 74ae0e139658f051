"""`run` and `shutdown`: a whole program in one call."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import Unpack

from oxbridge._addresses import places
from oxbridge._oxbridge import Core, Tls
from oxbridge._signals import StopSignals
from oxbridge.mux import Mux
from oxbridge.options import Options
from oxbridge.server import Server

_running: set[Server] = set()


def run(
    host: str = "127.0.0.1",
    port: int | str = 5000,
    *,
    mux: Mux | None = None,
    bind: str | Iterable[str] | None = None,
    tls: Tls | None = None,
    banner: bool = True,
    **options: Unpack[Options],
) -> None:
    """Serve until `shutdown()`, Ctrl-C or SIGTERM, let running requests finish, and return.

    In the main thread, SIGINT and SIGTERM stop the server, and a Ctrl-C while requests finish cuts
    them; the handlers that were there before are put back. In any other thread signals are left
    alone.

    Args:
        host: Address or name to listen on; "" is every interface.
        port: Port to listen on, also as digits; 0 lets the system choose.
        mux: What to serve; `default_mux`, on which `route` registers, if none is given.
        bind: Addresses to listen on instead of host and port; see `Server`.
        tls: Certificates; the server then speaks HTTPS, HTTP/2 included.
        banner: Say on standard error where the server listens, if logging is not set up. With
            logging, the logger `oxbridge` says so at level INFO.
        **options: See `Options`.

    Raises:
        OSError: An address cannot be listened on; the message says which one and why.
        TypeError: An option is unknown or of a wrong type.
        ValueError: A value is out of range.
    """
    server = Server(mux=mux, host=host, port=port, bind=bind, tls=tls, **options)
    life = server._start()
    _running.add(server)
    try:
        if threading.current_thread() is threading.main_thread():
            with StopSignals(server) as signals:
                life.when_done(signals.wake)
                _announce(life.core, banner)
                while not life.done.is_set():
                    signals.wait()
        else:
            _announce(life.core, banner)
            life.wait()
    finally:
        _running.discard(server)
        # Only what broke in on the wait leaves anything to stop.
        server.stop()
    _log("Stopped")


def shutdown(timeout: float | None = None) -> None:
    """Stop every server that `run` started in this process, and return at once.

    Any thread and any handler may call it; `run` returns once requests have finished, or have been
    cut after `timeout` seconds (the option shutdown_timeout unless given).
    """
    for server in list(_running):
        server.begin_stop(timeout)


def _announce(core: Core, banner: bool) -> None:
    """Say where the server listens: to the log, or else to standard error."""
    said = f"Serving on {', '.join(places(core))}"
    is_logged = _log(said)
    # There is no standard error under pythonw and some service supervisors.
    if banner and not is_logged and sys.stderr is not None:
        sys.stderr.write(f"{said}\n")
        sys.stderr.flush()


def _log(said: str) -> bool:
    """Say it to the log at level INFO; False if logging is not set up."""
    # Nobody can have set up what nobody has imported, and it takes half a megabyte.
    logging = sys.modules.get("logging")
    if logging is None:
        return False
    logger = logging.getLogger("oxbridge")
    logger.info(said)
    return bool(logger.hasHandlers())
