"""WSGI applications and muxes, served on threads of the server's own."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from oxbridge._app_server import AppServer
from oxbridge._life import BEAT, Life
from oxbridge._oxbridge import Core


class ThreadsServer(AppServer):
    """Serves a WSGI application or a mux; where workers are threads, with a reactor for each."""

    _core: Core | None = None
    _wake: Callable[[], None] | None = None

    def _serve(
        self, binds: list[str], leave: Callable[[], None], ready: Callable[[list[str]], None]
    ) -> None:
        mux = self._app if self._interface == "mux" else self._mounted()
        with _woken() as (wait, wake):
            tls, options = self._config.tls(), self._for_all_workers(self._options())
            life = Life(mux, binds, tls, options, self.on_max_requests)
            leave()
            self._core = life.core
            self._wake = wake
            life.when_done(wake)
            self._obey(life)
            ready(life.core.addresses)
            while not life.done.is_set():
                if self.heartbeat is not None:
                    life.core.run_soon(self.heartbeat)
                wait(BEAT)
                self._obey(life)

    def _stop_soon(self, timeout: float) -> None:
        if self._core is not None:
            self._core.begin_stop(timeout)
        if self._wake is not None:
            self._wake()

    def _cores(self) -> list[Core]:
        return [] if self._core is None else [self._core]

    def _obey(self, life: Life) -> None:
        """Pass on the orders that have come."""
        while not self._orders.empty():
            life.begin_stop(self._orders.get())

    def _for_all_workers(self, options: dict[str, Any]) -> dict[str, Any]:
        """Make the options of one worker those of a server that does the work of all."""
        workers = self._config.workers if self._config.in_threads else 1
        options["reactors"] = workers
        for name in ("max_connections", "limit_concurrency", "max_requests"):
            if options[name] is not None:
                options[name] *= workers
        return options


@contextlib.contextmanager
def _woken() -> Iterator[tuple[Callable[[float], None], Callable[[], None]]]:
    """Give `(wait, wake)`: `wait` ends early by `wake`, from any thread, and by any signal."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False) if in_main else -1

    def wait(seconds: float) -> None:
        reading.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            reading.recv(4096)

    def wake() -> None:
        # Full is awake already; closed: nobody waits any more.
        with contextlib.suppress(OSError):
            writing.send(b"\0")

    try:
        yield wait, wake
    finally:
        if in_main:
            signal.set_wakeup_fd(before)
        reading.close()
        writing.close()
