"""Worker processes under a supervisor that owns the sockets.

The supervisor never loads the application. It binds the addresses, starts workers with `subprocess`
(no fork: there may be threads), gives each the listening sockets and one end of a socket pair, and
replaces those that die, hang, grow, age, or are to run new code. Since the sockets stay open here,
connections wait while no worker accepts, and are not refused.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from oxbridge._supervisor.notify import ServiceManager
from oxbridge._supervisor.pidfile import PidFile
from oxbridge._supervisor.settings import Admin, Announce, Settings
from oxbridge._supervisor.signals import Signals
from oxbridge._supervisor.sockets import Listening

__all__ = ["Admin", "Announce", "Settings", "supervise"]

logger = logging.getLogger("oxbridge")


def supervise(
    settings: Settings,
    *,
    command: Sequence[str] | None = None,
    admin: Admin | None = None,
    announce: Announce | None = None,
    reopen: Callable[[], None] | None = None,
    reread: Callable[[Any], Settings] | None = None,
) -> int:
    """Serve with worker processes until a signal ends it; returns the exit code.

    Only in the main thread. The signals:

    - SIGTERM, SIGINT: stop accepting, let requests finish for `timeout_graceful_shutdown`, end. A
      second SIGINT, or SIGQUIT at any time: cut them.
    - SIGHUP: replace the workers one after the other; no request is lost. If the new code, or the
      configuration as it is then, does not start, the old workers stay.
    - SIGTTIN, SIGTTOU: one worker more, one less.
    - SIGUSR1: have log files opened again.

    A worker that fails to start before any ever served ends the whole, with exit code 1, or 3 if
    the application's lifespan refused. Later failures are logged, and the next attempt comes after
    a pause.

    Args:
        settings: The configuration.
        command: The program of a worker, instead of `python -m oxbridge._worker`.
        admin: Is told when there are workers that serve, and when a slot is free again.
        announce: Called once all first workers are ready, instead of a line on the logger
            `oxbridge`.
        reopen: Called for SIGUSR1, for log files of this process.
        reread: Called for SIGHUP with the configuration in force, gives the one for workers that
            are started from then on. What it raises is logged, and nothing is replaced.

    Raises:
        OSError: An address cannot be listened on, or the pid file cannot be written; the message is
            one sentence.
        ValueError: An address is malformed.
    """
    # What runs workers is imported only where there are some.
    from oxbridge._supervisor.pool import Pool
    from oxbridge._supervisor.process import default_command
    from oxbridge._supervisor.supervisor import SIGNALS, Supervisor

    with contextlib.ExitStack() as until_the_end:
        signals = until_the_end.enter_context(Signals(SIGNALS))
        if settings.pid_file is not None:
            until_the_end.enter_context(PidFile(settings.pid_file))
        listening = until_the_end.enter_context(
            Listening(settings.binds(), settings.backlog, settings.uds_mode)
        )

        manager = ServiceManager()

        def on_ready(name: str | None, interface: str | None) -> None:
            manager.ready()
            if announce is not None:
                announce(listening.addresses, name, interface)
            else:
                logger.info("Serving on %s", ", ".join(listening.addresses))

        pool = Pool(
            settings,
            listening.descriptors,
            command=default_command() if command is None else command,
            admin=admin,
            on_ready=on_ready,
        )
        return Supervisor(settings, signals, pool, reopen, listening.leave, manager, reread).run()
