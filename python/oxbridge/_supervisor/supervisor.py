"""The supervisor's loop: signals, messages of workers, files that change, and time."""

from __future__ import annotations

import logging
import math
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from oxbridge._supervisor.notify import ServiceManager
from oxbridge._supervisor.pool import Pool
from oxbridge._supervisor.process import Worker
from oxbridge._supervisor.settings import Settings
from oxbridge._supervisor.signals import Signals
from oxbridge._supervisor.watch import Filter, Watcher

logger = logging.getLogger("oxbridge")

SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGCHLD,
)
# An end of a process or a time that was somehow missed is noticed this much later, in seconds.
PATIENCE = 10.0


class Supervisor:
    """Drives a pool of workers until it is over. For the main thread, in a `with Signals` block."""

    def __init__(
        self,
        settings: Settings,
        signals: Signals,
        pool: Pool,
        reopen: Callable[[], None] | None,
        leave: Callable[[], None],
        manager: ServiceManager,
        reread: Callable[[Any], Settings] | None = None,
    ) -> None:
        self._settings = settings
        self._signals = signals
        self._pool = pool
        self._reopen = reopen
        self._leave = leave
        self._manager = manager
        self._reread = reread
        self._rolling = False
        self._next_beat = time.monotonic() if manager.beat is not None else math.inf
        self._interrupted = False
        self._changed: Sequence[Path] = ()
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ)

    def run(self) -> int:
        """Return the exit code once all is over."""
        pool, watcher = self._pool, self._watch() if self._settings.reload else None
        heard: dict[int, Worker] = {}
        try:
            pool.attend(time.monotonic())
            while not pool.over:
                self._listen_to(heard)
                self._selector.select(self._patience())
                now = time.monotonic()
                for number in self._signals.take():
                    self._on_signal(number, now)
                if self._changed and not pool.stopping:
                    self._restart(now)
                for worker in heard.values():
                    pool.hear(worker, now)
                    worker.channel.flush()
                pool.attend(now)
                self._tell_manager(now)
        finally:
            if watcher is not None:
                watcher.close()
            self._selector.close()
            # Only what broke in on the loop leaves any.
            for worker in pool.workers:
                worker.kill()
                worker.process.wait()
        if pool.failure is not None:
            logger.error("%s", pool.failure)
        return pool.exit_code

    def _patience(self) -> float:
        now = time.monotonic()
        due = self._pool.next_time(now)
        due = self._next_beat if due is None else min(due, self._next_beat)
        return min(PATIENCE, max(0.0, due - now))

    def _tell_manager(self, now: float) -> None:
        """Tell the service manager what it waits for."""
        if self._rolling and not self._pool.rolling and not self._pool.stopping:
            self._rolling = False
            self._manager.ready()
        if self._manager.beat is not None and now >= self._next_beat:
            self._next_beat = now + self._manager.beat
            self._manager.alive()

    def _listen_to(self, heard: dict[int, Worker]) -> None:
        """Wait for messages of the workers that there are, and for room for those to them."""
        living = {each.pid: each for each in self._pool.workers if not each.channel.closed}
        for pid in [pid for pid in heard if pid not in living]:
            self._forget(heard.pop(pid))
        for pid, worker in living.items():
            events = selectors.EVENT_READ
            if worker.channel.pending:
                events |= selectors.EVENT_WRITE
            if pid not in heard:
                heard[pid] = worker
                self._selector.register(worker.channel, events)
            elif self._selector.get_key(worker.channel).events != events:
                self._selector.modify(worker.channel, events)

    def _forget(self, worker: Worker) -> None:
        self._selector.unregister(worker.channel)

    def _on_signal(self, number: signal.Signals, now: float) -> None:
        pool = self._pool
        if number == signal.SIGCHLD:
            return  # It was a wake-up: `attend` looks who has ended.
        if number == signal.SIGQUIT or (number == signal.SIGINT and self._interrupted):
            logger.info("Stopping at once")
            self._manager.stopping()
            self._leave()
            pool.stop(now, 0)
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._interrupted = self._interrupted or number == signal.SIGINT
            logger.info("Stopping: %d workers finish their requests", len(pool.workers))
            self._manager.stopping()
            # Whoever comes now is refused, and tries elsewhere, instead of waiting for nobody.
            self._leave()
            pool.stop(now, self._settings.timeout_graceful_shutdown)
        elif pool.stopping:
            return
        elif number == signal.SIGHUP:
            self._roll(now)
        elif number in (signal.SIGTTIN, signal.SIGTTOU):
            pool.resize(1 if number == signal.SIGTTIN else -1)
        elif number == signal.SIGUSR1:
            if self._reopen is not None:
                self._reopen()
            pool.tell(reopen=True)

    def _roll(self, now: float) -> None:
        """Replace the workers, by ones that have the configuration as it is now."""
        self._manager.reloading()
        self._rolling = True
        if self._reread is not None:
            try:
                self._settings = self._reread(self._settings)
            except Exception as error:
                logger.error("Reloading was given up, the old workers serve on: %s", error)
                return
            self._pool.configure(self._settings)
        self._pool.roll(now)

    def _watch(self) -> Watcher:
        settings = self._settings
        wanted = Filter(settings.reload_dirs, settings.reload_includes, settings.reload_excludes)

        def changed(paths: Sequence[Path]) -> None:
            self._changed = paths
            self._signals.wake()

        watcher = Watcher(wanted, settings.reload_delay, changed)
        roots = ", ".join(map(str, wanted.roots))
        logger.info("Watching for changes in %s (by %s)", roots, watcher.how)
        return watcher

    def _restart(self, now: float) -> None:
        paths, self._changed = self._changed, ()
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        logger.info("%s%s changed: restarting", paths[0], more)
        self._pool.restart(now)
