"""Telling the service manager that started this process how it is: sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

logger = logging.getLogger("oxbridge")

# Where a service manager may listen: a path, or an abstract name.
KINDS = ("/", "@")


class ServiceManager:
    """The service manager, if there is one that wants to hear. Else nothing here does anything.

    Any thread may use it, and signal handlers. Nothing here waits or raises.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Read from the environment whether there is one, and how often it wants a sign of life."""
        place = environ.get("NOTIFY_SOCKET", "")
        self._address: str | None = None
        if place.startswith(KINDS):
            self._address = "\0" + place[1:] if place.startswith("@") else place
        elif place:
            logger.warning(
                "NOTIFY_SOCKET is %r: wanted a path, or a name that begins with @", place
            )
        self.beat: float | None = None
        """How often to call `alive`, in seconds; None where nobody waits for it."""
        if self._address is not None:
            self.beat = _beat(environ)

    def ready(self) -> None:
        """Requests are answered; also after a reload, whether the new code serves or the old."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Workers are being replaced; `ready` says the end of that."""
        # systemd compares the time with that of its own order: CLOCK_MONOTONIC in microseconds.
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Give a sign of life."""
        self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
                line.sendto(state.encode(), self._address)
        except OSError as error:
            what = state.partition("=")[0]
            logger.warning("The service manager cannot be told %s: %s", what, error.strerror)


def _beat(environ: Mapping[str, str]) -> float | None:
    """Return half of the time after which the watchdog acts: sd_watchdog_enabled(3)."""
    given, meant = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not given or meant not in ("", str(os.getpid())):
        return None
    if not (given.isascii() and given.isdigit() and int(given) > 0):
        logger.warning("WATCHDOG_USEC is %r: wanted microseconds", given)
        return None
    return int(given) / 2e6
