"""A server that serves nothing: what the command makes of its arguments, without sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oxbridge import Config


class FakeServer:
    """Notes what it was made with, says that it is ready, and returns."""

    def __init__(self, config: Config, app: object, interface: str, binds: list[str]) -> None:
        self.config, self.app, self.interface, self.binds = config, app, interface, binds
        self.stops: list[float] = []
        self.reopened = 0
        self.metrics: object = None
        self.while_running: Callable[[], None] = lambda: None
        self.failure: Exception | None = None

    def run(self, on_ready: Callable[[list[str]], None] | None = None) -> None:
        if self.failure is not None:
            raise self.failure
        assert on_ready is not None
        on_ready(self.binds)
        self.while_running()

    def begin_stop(self, timeout: float) -> None:
        self.stops.append(timeout)

    def reopen_access_log(self) -> None:
        self.reopened += 1


class Servers(list[FakeServer]):
    """Makes them, and keeps them for the test to look at."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.attributes = attributes

    def __call__(self, config: Config, app: object, interface: str, binds: list[str]) -> FakeServer:
        server = FakeServer(config, app, interface, binds)
        for name, value in self.attributes.items():
            setattr(server, name, value)
        self.append(server)
        return server
