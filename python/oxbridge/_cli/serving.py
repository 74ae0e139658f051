"""Serves a configuration: in this process, or through the supervisor."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Protocol

from oxbridge._cli.banner import start_line
from oxbridge._cli.errors import CommandError
from oxbridge._cli.interface import Interface
from oxbridge._cli.loading import load
from oxbridge._handlers import handled
from oxbridge._oxbridge import Metrics
from oxbridge._supervisor.admin import observed, observed_alone
from oxbridge._supervisor.notify import ServiceManager
from oxbridge._supervisor.pidfile import PidFile
from oxbridge._supervisor.settings import Admin, Announce
from oxbridge.config import Config, ConfigError

logger = logging.getLogger("oxbridge")

# How often a server gives a sign of life, in seconds.
BEAT = 1.0


class Runs(Protocol):
    """A server of one application in this process, not yet started."""

    metrics: Metrics | dict[str, int] | None
    """Where it counts, if anywhere."""

    heartbeat: Callable[[], None] | None
    """Called about once a second from where requests are handled."""

    def run(self, on_ready: Callable[[list[str]], None] | None = None) -> None:
        """Serve until stopped."""

    def begin_stop(self, timeout: float) -> None:
        """Order the stop, from anywhere."""

    def reopen_access_log(self) -> None:
        """Go on with the access log in a new file, where the old one was renamed."""


MakeServer = Callable[[Config, object, Interface, list[str]], Runs]
"""Makes a server of a configuration, an application, its interface, and addresses."""


class Supervise(Protocol):
    """Serves with worker processes; gives the exit code."""

    def __call__(self, settings: Config, /, *, announce: Announce, admin: Admin | None) -> int: ...


def serve(
    config: Config,
    *,
    make_server: MakeServer | None = None,
    supervise: Supervise | None = None,
    reread: Callable[[Config], Config] | None = None,
) -> int:
    """Serve until stopped; return the exit code.

    Args:
        config: What to serve, and how. Logging has been set up.
        make_server: Instead of the server of this package.
        supervise: Instead of its supervisor.
        reread: Gives the configuration as it is now from the one in force, for SIGHUP to workers.

    Raises:
        CommandError: It cannot be served; the text says why.
        OSError: An address cannot be listened on.
    """
    check_files(config)
    if config.needs_supervisor:
        try:
            config.to_json()
        except ConfigError as error:
            raise CommandError(str(error)) from None
        if supervise is None:
            supervise = partial(_supervisor(), reread=reread)
        with observed(config) as admin:
            return supervise(config, announce=partial(announce, config), admin=admin)
    application = load(config)
    if application.note:
        logger.warning(application.note)
    make = make_server if make_server is not None else _app_server()
    server = make(config, application.app, application.interface, config.binds())
    manager = ServiceManager()
    with contextlib.ExitStack() as until_the_end:
        if config.pid_file is not None:
            until_the_end.enter_context(PidFile(config.pid_file))
        server.metrics, set_state = until_the_end.enter_context(observed_alone(config))
        if manager.beat is not None:
            if manager.beat < BEAT:
                logger.warning(
                    "WatchdogSec should be 2 s or more: a sign of life comes each second"
                )
            server.heartbeat = manager.alive

        def on_stop() -> None:
            set_state("draining")
            manager.stopping()

        until_the_end.enter_context(_obeys_signals(server, config, on_stop))

        def on_ready(addresses: Sequence[str]) -> None:
            set_state("ready")
            manager.ready()
            announce(config, addresses, application.name, application.interface)

        server.run(on_ready)
    logger.info("Stopped")
    return 0


def announce(
    config: Config, addresses: Sequence[str], name: str | None, interface: str | None
) -> None:
    """Say what is served where: to the log, or else to standard error.

    Args:
        config: How it is served.
        addresses: Where the server listens.
        name: What the application is called, if it is known.
        interface: Its interface, if it is known.
    """
    said = start_line(config, name or config.name or str(config.app), interface, addresses)
    logger.info(said)
    # There is no standard error under some service supervisors.
    if not logger.hasHandlers() and sys.stderr is not None:
        sys.stderr.write(f"{said}\n")
        sys.stderr.flush()


def check_files(config: Config) -> None:
    """See that the files can be read, before anything starts.

    Raises:
        CommandError: One cannot; the text says which and why.
    """
    for what, path in (
        ("certificate", config.ssl_certfile),
        ("key", config.ssl_keyfile),
        ("file of authorities", config.ssl_ca_certs),
    ):
        if path is not None:
            try:
                with Path(path).open("rb"):
                    pass
            except OSError as error:
                raise CommandError(f"the {what} {path} cannot be read: {error.strerror}") from None
    for prefix, directory in config.static:
        if not Path(directory).is_dir():
            raise CommandError(f"there is no directory {directory} to serve below {prefix}")
    for directory in config.reload_dirs if config.reload else ():
        if not Path(directory).is_dir():
            raise CommandError(f"there is no directory {directory} to watch")
    if config.access_log and config.access_log_file != "-":
        _check_writable("access log", config.access_log_file)
    if config.pid_file is not None:
        _check_writable("pid file", config.pid_file)


def _check_writable(what: str, path: str) -> None:
    """See that a file can be written, or made, without making it."""
    place = Path(path)
    if place.is_dir():
        raise CommandError(f"the {what} {path} is a directory")
    if not place.parent.is_dir():
        raise CommandError(f"the {what} {path} cannot be written: there is no such directory")
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise CommandError(f"the {what} {path} cannot be written: Permission denied")


@contextlib.contextmanager
def _obeys_signals(server: Runs, config: Config, on_stop: Callable[[], None]) -> Iterator[None]:
    """Let signals reach the server.

    Ctrl-C and SIGTERM drain it, a second Ctrl-C or SIGQUIT cuts what is left, and SIGUSR1 opens the
    access log again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        cut = number == signal.SIGQUIT or (number == signal.SIGINT and stopping)
        stopping = True
        on_stop()
        server.begin_stop(0 if cut else config.drain_time)

    def reopen(number: int, frame: FrameType | None) -> None:
        server.reopen_access_log()

    handlers = {
        signal.SIGUSR1: reopen,
        signal.SIGQUIT: stop,
        signal.SIGINT: stop,
        signal.SIGTERM: stop,
    }
    with handled(handlers):
        yield


def _app_server() -> MakeServer:
    made: MakeServer = import_module("oxbridge._app").app_server
    return made


def _supervisor() -> Callable[..., int]:
    supervise: Callable[..., int] = import_module("oxbridge._supervisor").supervise
    return supervise
