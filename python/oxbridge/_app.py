"""One application served in this process: a worker's, or that of `oxbridge serve` without any."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from oxbridge._life import Life
from oxbridge._looprun import BEAT, LoopRun
from oxbridge._loops import Companions, Pulse
from oxbridge._mounted import StartupFailed
from oxbridge._oxbridge import Core, Metrics
from oxbridge._rsgi import RsgiLife
from oxbridge.eventloop import new_event_loop
from oxbridge.mux import Mux

if TYPE_CHECKING:
    from oxbridge.config import Config

__all__ = ["AppServer", "StartupFailed"]

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
        self._core: Core | None = None
        self._loop_runs: list[LoopRun] = []
        # Orders to stop: how long there is for it. Thread-safe and re-entrant, as signal handlers
        # want it.
        self._orders: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._wake: Callable[[], None] = _nothing

    def run(self, on_ready: Callable[[list[str]], None] | None = None) -> None:
        """Serve, until `begin_stop` has been called and what runs has finished or was cut.

        `on_ready` gets the addresses once requests are answered. Python's signal handlers are
        called promptly meanwhile, in the main thread.

        Raises:
            OSError: An address cannot be listened on.
            StartupFailed: The application failed to start.
        """
        ready = on_ready or _ignore
        if self._interface in ("asgi", "rsgi"):
            # What cannot be listened on is known before the application starts.
            with (
                self._listening() as (binds, leave),
                asyncio.Runner(loop_factory=_loop_factory(self._config.loop)) as runner,
            ):

                def on_ready(addresses: list[str]) -> None:
                    leave()
                    ready(addresses)

                if self._interface == "asgi":
                    self._serve_loops(runner, self._mounted, binds, on_ready)
                else:
                    self._serve_rsgi(runner, binds, on_ready)
        elif self._interface in ("wsgi", "mux"):
            self._serve_threads(ready)
        else:
            raise ValueError(f"unknown interface {self._interface!r}")

    def begin_stop(self, timeout: float) -> None:
        """Order the stop and return at once; what still runs after `timeout` seconds is cut.

        Any thread may call it, and signal handlers. A later call may shorten the time.
        """
        self._orders.put(timeout)
        if self._loop_runs:
            self._stop_runs(timeout)
        elif self._core is not None:
            self._core.begin_stop(timeout)
        self._wake()

    def reopen_access_log(self) -> None:
        """Go on with the access log in a new file, where the old one was renamed. Any thread."""
        cores = [run.core for run in self._loop_runs if run.started]
        if self._core is not None and not cores:
            cores = [self._core]
        for core in cores:
            try:
                core.reopen_access_log()
            except OSError as error:
                logger.error("The access log goes on in its old file: %s", error)

    # Threads

    def _serve_threads(self, ready: Callable[[list[str]], None]) -> None:
        mux = self._app if self._interface == "mux" else self._mounted()
        with _woken() as (wait, wake), self._listening() as (binds, leave):
            tls, options = self._config.tls(), self._for_all_workers(self._options())
            life = Life(mux, binds, tls, options, self.on_max_requests)
            leave()
            self._core = life.core
            self._wake = wake
            life.when_done(wake)
            self._obey(life)
            ready(life.core.addresses)
            while not life.done.is_set():
                self._beat_from_crew(life.core)
                wait(BEAT)
                self._obey(life)

    def _obey(self, life: Life) -> None:
        """Pass on the orders that have come."""
        while not self._orders.empty():
            life.begin_stop(self._orders.get())

    def _beat_from_crew(self, core: Core) -> None:
        if self.heartbeat is not None:
            core.run_soon(self.heartbeat)

    def _options(self) -> dict[str, Any]:
        options = self._config.core_options()
        if self.metrics is not None:
            options["metrics"] = self.metrics
        return options

    def _for_all_workers(self, options: dict[str, Any]) -> dict[str, Any]:
        """Make the options of one worker those of a server that does the work of all."""
        workers = self._config.workers if self._config.in_threads else 1
        options["reactors"] = workers
        for name in ("max_connections", "limit_concurrency", "max_requests"):
            if options[name] is not None:
                options[name] *= workers
        return options

    @contextlib.contextmanager
    def _listening(self) -> Iterator[tuple[list[str], Callable[[], None]]]:
        """Give the sockets, and what closes them here once the server has its own hold on them."""
        if all(bind.startswith("fd:") for bind in self._binds):
            yield self._binds, _nothing
            return
        from oxbridge._supervisor.sockets import Listening

        with Listening(self._binds, self._config.backlog, self._config.uds_mode) as listening:
            yield [f"fd:{number}" for number in listening.descriptors], listening.leave

    # An event loop

    def _serve_rsgi(
        self, runner: asyncio.Runner, binds: list[str], ready: Callable[[list[str]], None]
    ) -> None:
        """Serve an RSGI application, whose hooks may run the loop: so it does not run then."""
        life = RsgiLife(self._app, runner.get_loop())
        life.begin()

        def mounted() -> Mux:
            mux = Mux()
            mux._mount(life.application, self._interface, self._config)
            return mux

        self._serve_loops(runner, mounted, binds, ready)
        life.end()

    def _serve_loops(
        self,
        runner: asyncio.Runner,
        mounted: Callable[[], Mux],
        binds: list[str],
        ready: Callable[[list[str]], None],
    ) -> None:
        """Serve on the loop of this thread, and with threads for workers on one in each other."""
        count = self._config.workers if self._config.in_threads else 1
        runs: list[LoopRun] = []
        for _ in range(count):
            run = LoopRun(
                mounted(),
                binds,
                self._config.tls(),
                self._options,
                shutdown_timeout=self._config.drain_time,
                on_max_requests=self.on_max_requests,
                elsewhere=runs[0] if runs else None,
            )
            runs.append(run)
        if self.heartbeat is not None:
            pulse = Pulse(count, self.heartbeat)
            for number, run in enumerate(runs):
                run.heartbeat = pulse.of(number)
        first, others = runs[0], runs[1:]
        companions = Companions(
            others,
            _loop_factory(self._config.loop),
            lambda: self.begin_stop(self._config.drain_time),
        )

        def on_ready(addresses: list[str]) -> None:
            if others:
                companions.start(lambda: ready(addresses))
            else:
                ready(addresses)

        if others:
            first.last = companions.ended
        self._loop_runs = runs
        # Those that came before there were runs to stop.
        while not self._orders.empty():
            self._stop_runs(self._orders.get())
        try:
            runner.run(first.run(on_ready))
        finally:
            companions.cut()
        if companions.error is not None:
            raise companions.error

    def _stop_runs(self, timeout: float) -> None:
        for run in self._loop_runs:
            run.begin_stop(timeout)

    def _mounted(self) -> Mux:
        """Return the application as a mux that has nothing else."""
        mux = Mux()
        mux._mount(self._app, self._interface, self._config)
        return mux


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name in ("auto", "asyncio"):
        return new_event_loop
    if name == "uvloop":
        factory: Callable[[], asyncio.AbstractEventLoop]
        factory = import_module("uvloop").new_event_loop
        return factory
    raise ValueError(f"unknown event loop {name!r}; wanted auto, asyncio or uvloop")


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


def _nothing() -> None:
    pass


def _ignore(addresses: list[str]) -> None:
    pass
