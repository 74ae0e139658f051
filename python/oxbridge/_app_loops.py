"""ASGI and RSGI applications, served on event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib import import_module

from oxbridge._app_server import AppServer
from oxbridge._looprun import LoopRun
from oxbridge._loops import Companions, Pulse
from oxbridge._oxbridge import Core
from oxbridge._rsgi import RsgiLife
from oxbridge.eventloop import new_event_loop
from oxbridge.mux import Mux


class LoopsServer(AppServer):
    """Serves an ASGI or RSGI application on the loop of the thread that calls `run`.

    With workers that are threads, also on a loop in each of the others.
    """

    _runs: Sequence[LoopRun] = ()

    def _serve(
        self, binds: list[str], leave: Callable[[], None], ready: Callable[[list[str]], None]
    ) -> None:
        def on_ready(addresses: list[str]) -> None:
            leave()
            ready(addresses)

        with asyncio.Runner(loop_factory=_loop_factory(self._config.loop)) as runner:
            if self._interface == "asgi":
                self._serve_loops(runner, self._mounted, binds, on_ready)
            else:
                self._serve_rsgi(runner, binds, on_ready)

    def _stop_soon(self, timeout: float) -> None:
        for run in self._runs:
            run.begin_stop(timeout)

    def _cores(self) -> list[Core]:
        return [run.core for run in self._runs if run.started]

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
        self._runs = runs
        # Those that came before there were runs to stop.
        while not self._orders.empty():
            self._stop_soon(self._orders.get())
        try:
            runner.run(first.run(on_ready))
        finally:
            companions.cut()
        if companions.error is not None:
            raise companions.error


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name in ("auto", "asyncio"):
        return new_event_loop
    if name == "uvloop":
        factory: Callable[[], asyncio.AbstractEventLoop]
        factory = import_module("uvloop").new_event_loop
        return factory
    raise ValueError(f"unknown event loop {name!r}; wanted auto, asyncio or uvloop")
