"""What a worker imports, standing in: a configuration, and a server that serves a `Mux`.

`worker_program.py` puts these under the names that `oxbridge._worker` knows.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass

from oxbridge import Mux, Server


@dataclass(frozen=True, kw_only=True)
class Config:
    """The configuration, as far as supervisor and worker read it."""

    app: str = "app:mux"
    app_dir: str = "."
    bind: tuple[str, ...] = ("127.0.0.1:0",)
    workers: int = 2
    backlog: int = 128
    timeout_graceful_shutdown: float | None = 10.0
    timeout_worker_healthcheck: float = 30.0
    worker_timeout: float | None = None
    worker_max_lifetime: float | None = None
    worker_max_memory: int | None = None
    respawn_delay: float = 0.1
    respawn_max_delay: float = 10.0
    pid_file: str | None = None
    reload: bool = False
    reload_dirs: tuple[str, ...] = ()
    reload_includes: tuple[str, ...] = ()
    reload_excludes: tuple[str, ...] = ()
    reload_delay: float = 0.05
    limit_max_requests: int | None = None
    access_log_file: str = "-"
    secret: str = ""

    def binds(self) -> list[str]:
        """Addresses to listen on."""
        return list(self.bind)

    def core_options(self) -> dict[str, object]:
        """Options of the server."""
        if self.access_log_file == "-":
            return {"access_log": None}
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        return {"access_log": {"fd": os.open(self.access_log_file, flags)}}

    def to_json(self) -> str:
        """Write it down for a worker."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Config:
        """Read what `to_json` has written."""
        return cls(**json.loads(text))


class StartupFailed(Exception):
    """The application said that it cannot start."""


StartupFailed.__module__ = "oxbridge._app"


class AppServer:
    """A server for a mux, with the face of the one for applications."""

    def __init__(self, config: Config, app: Mux, interface: str, binds: list[str]) -> None:
        self.heartbeat: Callable[[], None] | None = None
        self.on_max_requests: Callable[[], None] | None = None
        self.options = config.core_options()
        self._limit = config.limit_max_requests
        self._served = 0
        self.ready = threading.Event()
        self._ended = threading.Event()
        self._server = Server(app, bind=binds)
        app.server = self  # type: ignore[attr-defined]

    def run(self, on_ready: Callable[[list[str]], None] | None = None) -> None:
        """Serve until stopped."""
        refusal = sys.modules.get("refusal")
        if refusal is not None:
            raise StartupFailed(refusal.SENTENCE)
        self._server.start()
        threading.Thread(target=self._beat, daemon=True).start()
        if on_ready is not None:
            on_ready(self._server.addresses)
        self.ready.set()
        self._server.wait()
        self._ended.set()

    def begin_stop(self, timeout: float) -> None:
        """Let requests finish within a time."""
        self._server.begin_stop(timeout)

    def count(self) -> None:
        """Note a request: applications under test call it."""
        self._served += 1
        if self._served == self._limit and self.on_max_requests is not None:
            self.on_max_requests()

    def _beat(self) -> None:
        while not self._ended.wait(0.1):
            if self.heartbeat is not None:
                self.heartbeat()


class Application(tuple[object, str]):
    """An application and its interface."""

    note = None


def load(config: Config) -> Application:
    """Import the application."""
    sys.path.insert(0, config.app_dir)
    module, _, name = config.app.partition(":")
    return Application((getattr(importlib.import_module(module), name), "mux"))


def install() -> None:
    """Put all this where a worker looks for it."""
    loading, logs = types.ModuleType("loading"), types.ModuleType("logs")
    loading.load = load  # type: ignore[attr-defined]
    logs.configure = lambda config: None  # type: ignore[attr-defined]
    contents: dict[str, dict[str, object]] = {
        "oxbridge._app": {"AppServer": AppServer},
        "oxbridge.config": {"Config": Config},
        "oxbridge._cli": {"loading": loading, "logs": logs},
    }
    for name, content in contents.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
