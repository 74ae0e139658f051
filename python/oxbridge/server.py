"""A server as an object: where it listens, what it serves, when it starts and stops."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from oxbridge import _mounted
from oxbridge._addresses import joined, listed
from oxbridge._life import Life
from oxbridge._oxbridge import Tls
from oxbridge.mux import Mux, default_mux
from oxbridge.options import SHUTDOWN_TIMEOUT, Options, checked, seconds

if TYPE_CHECKING:
    import asyncio

    from oxbridge._looprun import LoopRun
    from oxbridge.config import Config


class Server:
    """A server for one mux or application. A program may have several.

        with Server(app) as server:
            print(server.url)

    Starting binds the addresses and returns; requests are answered on threads of the server's own,
    those for coroutines (handlers, ASGI, RSGI) on an event loop in one of them. In a program that
    is asyncio's already, the server runs on the program's loop:

        async with Server(app) as server:
            print(server.url)

    or, as uvicorn has it, `await Server(Config("main:app")).serve()`.

    A server that has stopped can be started again. One that still runs when the interpreter ends
    is cut. After `os.fork` the child has no server: start servers after forking.

    Any thread may call any method. A handler must not wait for its own server to stop, so it calls
    `begin_stop`.
    """

    def __init__(
        self,
        target: Any = None,
        *,
        mux: Mux | None = None,
        interface: str = "auto",
        host: str = "127.0.0.1",
        port: int | str = 0,
        bind: str | Iterable[str] | None = None,
        tls: Tls | None = None,
        **options: Unpack[Options],
    ) -> None:
        """Describe a server; nothing is opened yet.

        Args:
            target: What to serve: a `Mux`, a WSGI, ASGI or RSGI application, or a `Config`, which
                says all that follows itself; `default_mux` if none is given.
            mux: A `Mux` to serve, by name.
            interface: What the application speaks, where it does not show: "asgi", "asgi2",
                "asgi3", "wsgi", "rsgi", or "mux" for a single handler.
            host: Address or name to listen on; "" is every interface.
            port: Port to listen on, also as digits; 0 lets the system choose.
            bind: Addresses to listen on instead of host and port: "host:port", "unix:/path",
                "fd:3" (a socket that was inherited), "systemd" (socket activation).
            tls: Certificates; the server then speaks HTTPS, HTTP/2 included.
            **options: See `Options`.

        Raises:
            TypeError: An option is unknown or of a wrong type, or the target cannot be served.
            ValueError: A value is out of range.
        """
        if tls is not None and not isinstance(tls, Tls):
            raise TypeError(f"tls must be an oxbridge.Tls, not {tls!r}")
        if mux is not None:
            if not isinstance(mux, Mux):
                raise TypeError(f"mux must be an oxbridge.Mux, not {mux!r}")
            if target is not None:
                raise TypeError("a server serves one target: give it alone, or mux=")
            target = mux
        self._config = _config(target)
        self._mux: Mux | None = None
        if self._config is not None:
            if (interface, host, port, bind, tls) != (
                "auto",
                "127.0.0.1",
                0,
                None,
                None,
            ) or options:
                raise TypeError("with a Config, all options are those of the Config")
            _check_one_process(self._config)
            self._shutdown_timeout = self._config.drain_time
        else:
            self._mux = _mux(target, interface)
            self._binds = [joined(host, port)] if bind is None else listed(bind)
            self._tls = tls
            self._options = checked(options)
            self._shutdown_timeout = options.get("shutdown_timeout", SHUTDOWN_TIMEOUT)
        self._life: Life | LoopRun | None = None
        self._serving: asyncio.Task[None] | None = None
        self._starting = threading.Lock()
        # Who waits for the start, for `wait_started`.
        self._waiting: set[asyncio.Future[bool]] = set()

    def start(self) -> None:
        """Bind the addresses and start to serve, on threads; an application starts before.

        Raises:
            CommandError: The application that a `Config` names cannot be imported.
            OSError: An address cannot be listened on; the message says which one and why.
            RuntimeError: The server runs already.
            StartupFailed: The application failed to start.
            ValueError: A bind address is malformed.
        """
        self._start()

    async def serve(self, *, handle_signals: bool = False) -> None:
        """Serve on the running event loop until the server is stopped, and return.

        Applications and coroutine handlers run on this loop, whichever it is; on one of
        `oxbridge.eventloop.new_event_loop`, they are served by the loop's own thread, which is
        fastest, unless there are plain handlers too. The server is stopped by `begin_stop`, by
        `should_exit = True`, and by a cancellation, after which `CancelledError` is raised. In
        each case requests that are being handled may finish within the shutdown timeout; a second
        cancellation cuts them.

        Signals are the program's: Ctrl-C under `asyncio.run` is a cancellation.

        Args:
            handle_signals: Have SIGINT and SIGTERM stop the server meanwhile, and a Ctrl-C while it
                stops cut what is left; this then returns as after `begin_stop`. Only in the main
                thread; the handlers that were there before are put back.

        Raises:
            CommandError: The application that a `Config` names cannot be imported.
            OSError: An address cannot be listened on; the message says which one and why.
            RuntimeError: The server runs already.
            StartupFailed: The application failed to start.
            ValueError: A bind address is malformed.
        """
        from oxbridge._serving import serve

        await serve(self, handle_signals=handle_signals)

    async def wait_started(self) -> None:
        """Wait until `serve`, in another task, answers requests, or has ended."""
        from oxbridge._serving import wait_started

        await wait_started(self)

    def begin_stop(self, timeout: float | None = None) -> None:
        """Start to stop, and return at once; a handler may call it.

        No new connections are taken, and requests that are being handled may finish. What is left
        after `timeout` seconds (the option shutdown_timeout unless given) is cut. A later call can
        only shorten the time. Does nothing if the server does not run.
        """
        timeout = self._shutdown_timeout if timeout is None else seconds("timeout", timeout)
        if self._life is not None:
            self._life.begin_stop(timeout)

    def stop(self, timeout: float | None = None) -> bool:
        """Stop, as `begin_stop` does, and wait until it is done.

        Returns:
            False if a handler still runs: threads cannot be cut, they end when their handler does.
        """
        life = self._life
        self.begin_stop(timeout)
        return True if life is None else life.wait_stopped()

    def wait(self) -> None:
        """Wait until the server has stopped. Returns at once if it does not run."""
        if self._life is not None:
            self._life.wait()

    @property
    def started(self) -> bool:
        """Whether requests are answered, from when they are until the end."""
        life = self._life
        return life is not None and life.started and not life.done.is_set()

    @property
    def should_exit(self) -> bool:
        """Whether the server has been told to stop. Setting it to True is `begin_stop`."""
        return self._life is not None and self._life.stopping

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self.begin_stop()

    def reload_tls(self) -> None:
        """Read certificates and key from their files again; new connections get them.

        Raises:
            OSError: A file cannot be read. The old certificates stay in force.
            RuntimeError: The server does not run.
            ValueError: A file does not hold what it should. The old certificates stay in force.
        """
        self._running().core.reload_tls()

    @property
    def running(self) -> bool:
        """Whether the server takes new connections."""
        life = self._life
        return life is not None and life.started and not life.stopping

    @property
    def addresses(self) -> list[str]:
        """Where it listens: "127.0.0.1:5000", "unix:/run/app.sock". Empty if it does not run."""
        life = self._life
        return life.core.addresses if life is not None and self.running else []

    @property
    def url(self) -> str:
        """The URL of its first TCP address, without a slash at the end; else its first address.

        Raises:
            RuntimeError: The server does not run.
        """
        core = self._running().core
        return core.url or core.addresses[0]

    @property
    def port(self) -> int:
        """Its first TCP port.

        Raises:
            RuntimeError: The server does not run, or listens on no TCP port.
        """
        for address in self._running().core.addresses:
            port = address.rpartition(":")[2]
            if not address.startswith("unix:") and port.isdigit():
                return int(port)
        raise RuntimeError(f"the server listens on no TCP port, only on {self.url}")

    def __enter__(self) -> Server:
        """Start, unless it runs already."""
        if not self.running:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, whatever happened."""
        self.stop()

    async def __aenter__(self) -> Server:
        """Start on the running event loop, unless it runs already: see `serve`."""
        from oxbridge._serving import begin

        if not self.running:
            self._serving = await begin(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, whatever happened."""
        from oxbridge._serving import end

        serving, self._serving = self._serving, None
        await end(self, serving)

    def __repr__(self) -> str:
        where = ", ".join(self.addresses) or "not running"
        return f"<oxbridge.Server {where}>"

    def _start(self) -> Life:
        with self._starting:
            self._check_stopped()
            mux, binds, tls = self._described()
            life = Life(mux, binds, tls, self._core_options(), self._on_max_requests())
            self._life = life
            return life

    def _start_on_loop(self) -> LoopRun:
        """Describe a run on an event loop, and take it for the server's life."""
        from oxbridge._looprun import LoopRun

        with self._starting:
            self._check_stopped()
            mux, binds, tls = self._described()
            run = LoopRun(
                mux,
                binds,
                tls,
                self._core_options,
                shutdown_timeout=self._shutdown_timeout,
                on_max_requests=self._on_max_requests(),
            )
            self._life = run
            return run

    def _check_stopped(self) -> None:
        if self._life is not None and not self._life.done.is_set():
            where = ", ".join(self.addresses)
            state = f"runs already, on {where}" if where else "has not stopped yet"
            raise RuntimeError(f"the server {state}")

    def _described(self) -> tuple[Mux, list[str], Tls | None]:
        """Return what is served and where; a `Config` has its application imported."""
        if self._config is None:
            return self._mux or default_mux, self._binds, self._tls
        if self._mux is None:
            from oxbridge._cli import dotenv
            from oxbridge._cli.loading import load

            if self._config.env_file is not None:
                dotenv.load(self._config.env_file, os.environ)
            app, interface = load(self._config)
            self._mux = app if interface == "mux" else Mux()
            if interface != "mux":
                self._mux._mount(app, interface, self._config)
        return self._mux, self._config.binds(), self._config.tls()

    def _core_options(self) -> dict[str, object]:
        """Return the options of one start."""
        if self._config is not None:
            return self._config.core_options()
        return {name: value for name, value in self._options.items() if name != "shutdown_timeout"}

    def _on_max_requests(self) -> Callable[[], None] | None:
        """Return what is to be done at the option limit_max_requests: as uvicorn, stop."""
        return None if self._config is None else self.begin_stop

    def _running(self) -> Life | LoopRun:
        if self._life is None or not self.running:
            raise RuntimeError("the server does not run")
        return self._life


def _config(target: object) -> Config | None:
    """Return what is served if that is a `Config`."""
    # Only who has imported the module has one.
    module = sys.modules.get("oxbridge.config")
    if module is None or not isinstance(target, module.Config):
        return None
    config: Config = target
    return config


def _check_one_process(config: Config) -> None:
    """Refuse what needs worker processes."""
    wanted = {
        "workers": config.workers > 1,
        "reload": config.reload,
        "worker_max_lifetime": config.worker_max_lifetime is not None,
        "worker_max_memory": config.worker_max_memory is not None,
        "worker_timeout": config.worker_timeout is not None,
        "metrics_bind": config.metrics_bind is not None,
    }
    if names := ", ".join(name for name, is_wanted in wanted.items() if is_wanted):
        raise ValueError(f"a Server runs in this process alone: {names} is for oxbridge.serve")


def _mux(target: object, interface: str) -> Mux:
    """Return what is served as a mux, applications mounted on one that has nothing else."""
    if target is None or (isinstance(target, Mux) and interface in ("auto", "mux")):
        return default_mux if target is None else target
    mux = Mux()
    if interface == "mux":
        if not callable(target):
            raise TypeError(f"{target!r} is neither a Mux nor a handler")
        mux.handle("/", target)
    else:
        mux._mount(target, interface, _mounted.DefaultSettings())
    return mux
