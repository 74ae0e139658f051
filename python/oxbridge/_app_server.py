"""What servers of one application have in common, whatever it runs on."""

from __future__ import annotations

import contextlib
import logging

# As `queue` has it, whose other queues take a quarter of a megabyte.
from _queue import SimpleQueue
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from oxbridge._oxbridge import Core, Metrics
from oxbridge.mux import Mux

if TYPE_CHECKING:
    from oxbridge.config import Config

logger = logging.getLogger("oxbridge")


class AppServer:
    """Serves one application until it is stopped.

    WSGI applications and muxes run on threads of the server's own. ASGI and RSGI applications run
    on an event loop in the thread that calls `run`. Where workers are threads, the former get a
    reactor for each, and the latter an event loop for each, in a thread of its own; such an
    application is started and ended once, on the loop of the thread that calls `run`.
    """

    on_max_requests: Callable[[], None] | None = None
    """Called once, from any thread, when the option max_requests has been reached."""

    heartbeat: Callable[[], None] | None = None
    """Called about once a second from where requests are handled: on the event loop, or on a
    thread that runs handlers. It stops when those are stuck."""

    metrics: Metrics | dict[str, int] | None = None
    """Where it counts, if anywhere: in this process, or `{"fd": …, "slot": …}` of shared memory."""

    def __init__(self, config: Config, app: Any, interface: str, binds: list[str]) -> None:
        self._config = config
        self._app = app
        self._interface = interface
        self._binds = binds
        # Orders to stop: how long there is for it. Thread-safe and re-entrant, as signal handlers
        # want it.
        self._orders: SimpleQueue[float] = SimpleQueue()

    def run(self, on_ready: Callable[[list[str]], None] | None = None) -> None:
        """Serve, until `begin_stop` has been called and what runs has finished or was cut.

        `on_ready` gets the addresses once requests are answered. Python's signal handlers are
        called promptly meanwhile, in the main thread.

        Raises:
            OSError: An address cannot be listened on.
            StartupFailed: The application failed to start.
        """
        # What cannot be listened on is known before the application starts.
        with self._listening() as (binds, leave):
            self._serve(binds, leave, on_ready or _ignore)

    def begin_stop(self, timeout: float) -> None:
        """Order the stop and return at once; what still runs after `timeout` seconds is cut.

        Any thread may call it, and signal handlers. A later call may shorten the time.
        """
        self._orders.put(timeout)
        self._stop_soon(timeout)

    def reopen_access_log(self) -> None:
        """Go on with the access log in a new file, where the old one was renamed. Any thread."""
        for core in self._cores():
            try:
                core.reopen_access_log()
            except OSError as error:
                logger.error("The access log goes on in its old file: %s", error)

    @abstractmethod
    def _serve(
        self, binds: list[str], leave: Callable[[], None], ready: Callable[[list[str]], None]
    ) -> None:
        """Serve on `binds`. `leave` is called once the server has its own hold on them."""

    @abstractmethod
    def _stop_soon(self, timeout: float) -> None:
        """Begin the stop that was ordered, if there is anything to stop yet."""

    @abstractmethod
    def _cores(self) -> Iterable[Core]:
        """Give those that have started."""

    def _options(self) -> dict[str, Any]:
        options = self._config.core_options()
        if self.metrics is not None:
            options["metrics"] = self.metrics
        return options

    def _mounted(self) -> Mux:
        """Return the application as a mux that has nothing else."""
        mux = Mux()
        mux._mount(self._app, self._interface, self._config)
        return mux

    @contextlib.contextmanager
    def _listening(self) -> Iterator[tuple[list[str], Callable[[], None]]]:
        """Give the sockets, and what closes them here once the server has its own hold on them."""
        if all(bind.startswith("fd:") for bind in self._binds):
            yield self._binds, _nothing
            return
        from oxbridge._supervisor.sockets import Listening

        with Listening(self._binds, self._config.backlog, self._config.uds_mode) as listening:
            yield [f"fd:{number}" for number in listening.descriptors], listening.leave


def _nothing() -> None:
    pass


def _ignore(addresses: list[str]) -> None:
    pass
