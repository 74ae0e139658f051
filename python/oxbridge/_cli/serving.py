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
from typing import Any, Protocol

from oxbridge._cli.banner import start_line
from oxbridge._cli.errors import CommandError
from oxbridge._cli.interface import Interface
from oxbridge._cli.loading import Application, load
from oxbridge.config import Config, ConfigError

logger = logging.getLogger("oxbridge")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Runs(Protocol):
    """A server of one application in this process, not yet started."""

    def run(self, on_ready: Callable[[list[str]], None] | None = None) -> None:
        """Serve until stopped."""

    def begin_stop(self, timeout: float) -> None:
        """Order the stop, from anywhere."""


MakeServer = Callable[[Config, object, Interface, list[str]], Runs]
"""Makes a server of a configuration, an application, its interface, and addresses."""


class Supervise(Protocol):
    """Serves with worker processes; gives the exit code."""

    def __call__(
        self, settings: Config, /, *, announce: Callable[[Sequence[str]], None]
    ) -> int: ...


def serve(
    config: Config, *, make_server: MakeServer | None = None, supervise: Supervise | None = None
) -> int:
    """Serve until stopped; return the exit code.

    Args:
        config: What to serve, and how. Logging has been set up.
        make_server: Instead of the server of this package.
        supervise: Instead of its supervisor.

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
        supervise = supervise if supervise is not None else _supervisor()
        return supervise(config, announce=partial(announce, config, None))
    application = load(config)
    if application.note:
        logger.warning(application.note)
    make = make_server if make_server is not None else _app_server()
    server = make(config, application.app, application.interface, config.binds())
    with _stopped_by_signals(server, config), _pid_file(config.pid_file) as write_pid:

        def on_ready(addresses: Sequence[str]) -> None:
            write_pid()
            announce(config, application, addresses)

        server.run(on_ready)
    logger.info("Stopped")
    return 0


def announce(config: Config, application: Application | None, addresses: Sequence[str]) -> None:
    """Say where the server listens: to the log, or else to standard error.

    Only workers load the application; in front of them there is None, and no more to say of it than
    what it was called.
    """
    name = application.name if application else config.name or str(config.app)
    interface = application.interface if application else None
    said = start_line(config, name, interface, addresses)
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
def _stopped_by_signals(server: Runs, config: Config) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM drain the server, and a second Ctrl-C cut what is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        cut = number == signal.SIGINT and stopping
        stopping = True
        server.begin_stop(0 if cut else config.drain_time)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in SIGNALS:
            # None: a handler that was not installed from Python, and could not be put back.
            if signal.getsignal(number) is not None:
                before[number] = signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _pid_file(path: str | None) -> Iterator[Callable[[], None]]:
    """Give what writes the file; remove it at the end, if it is still this process's."""
    mine = f"{os.getpid()}\n"

    def write() -> None:
        if path is not None:
            Path(path).write_text(mine, encoding="ascii")

    try:
        yield write
    finally:
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                if Path(path).read_text(encoding="ascii") == mine:
                    Path(path).unlink()


def _app_server() -> MakeServer:
    made: MakeServer = import_module("oxbridge._app").AppServer
    return made


def _supervisor() -> Supervise:
    supervise: Supervise = import_module("oxbridge._supervisor").supervise
    return supervise
