"""One application served in this process: by a worker, and by `oxbridge serve` without workers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from oxbridge._asgi import Lifespan, StartupFailed, run_on, websockets
from oxbridge._life import GRACE, STEP, Life
from oxbridge._oxbridge import AsgiApp, Core, Metrics, RsgiApp
from oxbridge._rsgi import RsgiLife
from oxbridge._wsgi import wsgi_app
from oxbridge.eventloop import ReactorSelector, WakeOnSignal, new_event_loop
from oxbridge.mux import Mux

if TYPE_CHECKING:
    from oxbridge.config import Config

__all__ = ["AppServer", "StartupFailed"]

logger = logging.getLogger("oxbridge")

# How often a worker shows that it makes progress, in seconds.
BEAT = 1.0


class AppServer:
    """Serves one application until it is stopped.

    WSGI applications and muxes run on threads of the server's own. ASGI and RSGI applications run
    on an event loop in the thread that calls `run`.
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
            uses_reactor = self._config.loop in ("auto", "asyncio")
            # What cannot be listened on is known before the application starts.
            with (
                self._listening() as (binds, leave),
                asyncio.Runner(loop_factory=_loop_factory(self._config.loop)) as runner,
            ):
                runner.run(self._serve(ready, binds, leave, uses_reactor=uses_reactor))
        elif self._interface in ("wsgi", "mux"):
            self._serve_threads(ready)
        else:
            raise ValueError(f"unknown interface {self._interface!r}")

    def begin_stop(self, timeout: float) -> None:
        """Order the stop and return at once; what still runs after `timeout` seconds is cut.

        Any thread may call it, and signal handlers. A later call may shorten the time.
        """
        self._orders.put(timeout)
        if self._core is not None:
            self._core.begin_stop(timeout)
        self._wake()

    def reopen_access_log(self) -> None:
        """Go on with the access log in a new file, where the old one was renamed. Any thread."""
        if self._core is None:
            return
        try:
            self._core.reopen_access_log()
        except OSError as error:
            logger.error("The access log goes on in its old file: %s", error)

    # Threads

    def _serve_threads(self, ready: Callable[[list[str]], None]) -> None:
        if self._interface == "wsgi":
            mux = Mux()
            mux._mux.mount(
                wsgi_app(
                    self._app,
                    root_path=self._config.root_path,
                    multiprocess=self._config.workers > 1,
                )
            )
        else:
            mux = self._app
        with _woken() as (wait, wake), self._listening() as (binds, leave):
            tls, options = self._config.tls(), self._options()
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

    async def _serve(
        self,
        ready: Callable[[list[str]], None],
        binds: list[str],
        leave: Callable[[], None],
        *,
        uses_reactor: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        life: Lifespan | RsgiLife
        app: AsgiApp | RsgiApp
        if self._interface == "asgi":
            life = Lifespan(self._app, self._config.lifespan)
            await life.startup()
            app = AsgiApp(self._app, life.state, self._config.root_path, websockets(self._config))
        else:
            life = RsgiLife(self._app, loop)
            await life.startup()
            app = RsgiApp(life.application, websockets(self._config))
        tasks = run_on(app, loop)
        mux = Mux()
        mux._mux.mount(app)
        core = Core(
            mux._mux,
            binds,
            self._config.tls(),
            self._options(),
            self.on_max_requests,
            driven=uses_reactor,
        )
        core.start()
        leave()
        self._core = core
        ordered = asyncio.Event()
        self._wake = lambda: _call_soon(loop, ordered.set)
        drive = _Reactor(core, loop) if uses_reactor else _Crew(core, loop)
        with WakeOnSignal(loop):
            try:
                if not self._orders.empty():
                    ordered.set()
                ready(core.addresses)
                beating = loop.create_task(self._beat())
                deadline = await self._wait_for_order(ordered)
                await drive.drained(deadline, self._shortened)
                await _finish(tasks, deadline, self._shortened)
                beating.cancel()
                await life.shutdown()
            finally:
                core.begin_stop(0)
                drive.close()

    async def _wait_for_order(self, ordered: asyncio.Event) -> float:
        await ordered.wait()
        return self._shortened(float("inf"))

    def _shortened(self, deadline: float) -> float:
        """Return the deadline, brought forward by the orders that have come."""
        while not self._orders.empty():
            timeout = self._orders.get()
            if self._core is not None:
                self._core.begin_stop(timeout)
            deadline = min(deadline, time.monotonic() + timeout)
        return deadline

    async def _beat(self) -> None:
        while True:
            if self.heartbeat is not None:
                self.heartbeat()
            await asyncio.sleep(BEAT)


class _Reactor:
    """A server whose turns the event loop takes."""

    def __init__(self, core: Core, loop: asyncio.AbstractEventLoop) -> None:
        selector: ReactorSelector = loop._selector  # type: ignore[attr-defined]
        self._selector = selector
        self._stopped = asyncio.Event()
        selector.serve(core, loop, self._stopped.set)

    async def drained(self, deadline: float, shortened: Callable[[float], float]) -> None:
        """Wait until the server has stopped, which it has soon after the deadline."""
        while not self._stopped.is_set():
            if time.monotonic() > deadline + GRACE:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), STEP)
            deadline = shortened(deadline)

    def close(self) -> None:
        self._selector.leave()


class _Crew:
    """A server with threads of its own, for an event loop that is not ours (uvloop)."""

    def __init__(self, core: Core, loop: asyncio.AbstractEventLoop) -> None:
        self._core = core
        self._loop = loop
        # None is that of a driven server.
        self._fd: int | None = core.async_fd()
        if self._fd is not None:
            loop.add_reader(self._fd, core.take_async)

    async def drained(self, deadline: float, shortened: Callable[[float], float]) -> None:
        """Wait until the server has stopped, which it has soon after the deadline."""
        while not await self._loop.run_in_executor(None, self._core.wait, STEP):
            if time.monotonic() > deadline + GRACE:
                return
            deadline = shortened(deadline)

    def close(self) -> None:
        if self._fd is not None:
            self._loop.remove_reader(self._fd)


async def _finish(
    tasks: set[asyncio.Task[Any]], deadline: float, shortened: Callable[[float], float]
) -> None:
    """Wait for tasks whose clients have their answers or are gone; cancel them at the deadline."""
    while tasks and time.monotonic() < deadline:
        await asyncio.wait(tasks, timeout=min(STEP, max(deadline - time.monotonic(), 0)))
        deadline = shortened(deadline)
    for task in tasks:
        task.cancel("the server stops")
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE)


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name in ("auto", "asyncio"):
        return new_event_loop
    if name == "uvloop":
        factory: Callable[[], asyncio.AbstractEventLoop]
        factory = import_module("uvloop").new_event_loop
        return factory
    raise ValueError(f"unknown event loop {name!r}; wanted auto, asyncio or uvloop")


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> None:
    # RuntimeError: the loop has closed, and there is nothing left to stop.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


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
