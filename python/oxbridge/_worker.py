"""`python -m oxbridge._worker N`: a worker process, as the supervisor starts it.

Descriptor N is its end of the line to the supervisor, which says first what to serve. Nothing is
printed here: what goes wrong at the start is told to the supervisor.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from oxbridge._supervisor.control import Channel, Message

if TYPE_CHECKING:
    from oxbridge._app import AppServer
    from oxbridge._cli.loading import Application

logger = logging.getLogger("oxbridge")

# After the time for requests, what is left may take so long before the process just ends.
GRACE = 5.0
# As good as never, for a stop without a deadline: a year.
UNBOUNDED = 365 * 86400.0
# More descriptors than this are of no use, and slow down programs that close them all.
MOST_FILES = 1 << 20


def main(arguments: list[str]) -> int:
    """Serve until told to stop, or until the supervisor is gone; returns the exit code."""
    descriptor = int(arguments[0])
    # Programs that the application starts must not keep the line open.
    os.set_inheritable(descriptor, False)
    channel = Channel(socket.socket(fileno=descriptor))
    orders = _orders(channel)
    start = next(orders, None)
    return 0 if start is None else _Worker(channel, start).run(orders)


class _Worker:
    """One application, served in this process."""

    def __init__(self, channel: Channel, start: Message) -> None:
        self._channel = channel
        self._start = start
        self._server: AppServer | None = None
        self._served: Application | None = None
        self._stop_within: float | None = None
        """The time for requests when nobody says another one."""
        self._ordered: float | None = None
        """The time that goes with an order to stop, once there is one."""

    def run(self, orders: Iterator[Message]) -> int:
        """Load and serve. Returns the exit code."""
        _raise_file_limit()
        # A crash, and the supervisor's SIGABRT for one that hangs, leave the stacks on stderr.
        with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
            faulthandler.enable()
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        threading.Thread(
            target=self._obey, args=(orders,), name="oxbridge-control", daemon=True
        ).start()
        try:
            self._serve()
        except Exception as error:
            said, told = failure(error)
            # By its name: its module may be what could not be imported.
            refused = type(error).__name__ == "StartupFailed"
            self._channel.send(failed=said, traceback=told, refused=refused)
            return 1
        except SystemExit as error:
            said = f"the application ended the process while it started (exit code {error.code})"
            self._channel.send(failed=said)
            return 1
        return 0

    def _serve(self) -> None:
        from oxbridge._app import app_server
        from oxbridge._cli import loading, logs
        from oxbridge._oxbridge import Metrics
        from oxbridge.config import Config

        start: dict[str, Any] = self._start
        # A program that calls the server finds its modules where it would find them itself.
        path = start["path"]
        sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
        config = Config.from_json(start["config"])
        logs.configure(config)
        self._stop_within = config.timeout_graceful_shutdown
        application = self._served = loading.load(config)
        # Every worker would say the same.
        if application.note and start["slot"] == 0:
            logger.warning("%s", application.note)
        app, interface = application
        server = app_server(config, app, interface, start["binds"])
        if (counters := start["metrics_fd"]) is not None:
            os.set_inheritable(counters, False)
            server.metrics = Metrics.open(counters, start["slot"])
        server.heartbeat = self._beat
        server.on_max_requests = self._count_reached
        self._server = server
        server.run(self._on_ready)

    # What the supervisor is told

    def _on_ready(self, addresses: list[str]) -> None:
        # The server has its own hold on the sockets, which ends when it stops to accept.
        for bind in self._start["binds"]:  # type: ignore[attr-defined]
            os.close(int(bind.removeprefix("fd:")))
        served = self._served
        self._channel.send(
            ready=addresses, name=served and served.name, interface=served and served.interface
        )
        if self._server is not None and self._ordered is not None:
            self._server.begin_stop(self._ordered)

    def _beat(self) -> None:
        self._channel.try_send(alive=time.monotonic())

    def _count_reached(self) -> None:
        self._channel.send(max_requests=True)

    # What the supervisor says

    def _obey(self, orders: Iterator[Message]) -> None:
        """Do what the supervisor says, in a thread. Its end is an order to stop."""
        for order in orders:
            if "stop" in order:
                seconds = order["stop"]
                self._stop(seconds if isinstance(seconds, int | float) else None)
            elif "reopen" in order and self._server is not None:
                self._server.reopen_access_log()
        logger.debug("The supervisor is gone")
        self._stop(self._stop_within)
        if self._stop_within is not None:
            # Nobody else is left to end what does not end.
            time.sleep(self._stop_within + GRACE)
            os._exit(1)

    def _stop(self, seconds: float | None) -> None:
        """Let requests finish; before there is a server, just end."""
        self._ordered = UNBOUNDED if seconds is None else seconds
        if self._server is None:
            os._exit(0)
        self._server.begin_stop(self._ordered)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # A worker that shares the terminal hears its Ctrl-C too, but the supervisor decides.
        if number == signal.SIGINT and os.getsid(0) != os.getpid():
            return
        self._channel.try_send(stopping=True)
        self._stop(self._stop_within)


def failure(error: Exception) -> tuple[str, str | None]:
    """Why a start failed: one sentence, and a traceback if the application's code raised it."""
    said, told = " ".join(str(error).split()), error
    if type(error).__module__.startswith("oxbridge."):
        # Ours is the sentence; what the application raised, if it did, is the cause.
        if not isinstance(error.__cause__, Exception):
            return said, None
        told = error.__cause__
    report = traceback.TracebackException.from_exception(told)
    report.stack = _applications_part(report.stack)
    # The server's own: an address, a certificate or a value that it refuses.
    ours = isinstance(error, OSError) or (type(error) is ValueError and not report.stack)
    if not ours and told is error:
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if not report.stack and not isinstance(told, SyntaxError):
        return said, None
    return said, "".join(report.format())


def _applications_part(stack: traceback.StackSummary) -> traceback.StackSummary:
    """A stack without the frames that are this package's and the import system's."""
    here = os.path.dirname(__file__) + os.sep
    importing = os.path.dirname(importlib.__file__) + os.sep
    return traceback.StackSummary.from_list(
        [each for each in stack if not each.filename.startswith((here, importing, "<frozen "))]
    )


def _orders(channel: Channel) -> Iterator[Message]:
    """Each message that comes, until the other end is gone."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    while not channel.closed:
        poll.poll()
        yield from channel.receive()


def _raise_file_limit() -> None:
    """Let the process open as many files as the system allows it: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
