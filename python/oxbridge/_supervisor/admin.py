"""Metrics, health and readiness on an address of their own."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Protocol

from oxbridge import _oxbridge

logger = logging.getLogger("oxbridge")

# How long a scrape may take to finish at the end, in seconds.
LAST_SCRAPE = 1.0
# A worker that is replaced keeps its slot until its last request is over, and SIGTTIN adds workers:
# so many slots for each worker, and so many at least. One slot takes less than a kilobyte.
SLOTS_PER_WORKER = 8
SLOTS_AT_LEAST = 64


class Settings(Protocol):
    """The part of a configuration that is about this. All of it may be None or a path."""

    @property
    def processes(self) -> int:
        """How many worker processes there shall be."""

    @property
    def metrics_bind(self) -> str | None:
        """The address; None for no such thing."""

    @property
    def health_path(self) -> str:
        """What answers 200 as long as the process lives."""

    @property
    def ready_path(self) -> str:
        """What answers 200 while requests are taken."""


class Observed:
    """What is counted in worker processes, shown by the process above them. One thread uses it."""

    def __init__(self, admin: _oxbridge.Admin, metrics: _oxbridge.Metrics, fd: int) -> None:
        self._admin = admin
        self._metrics = metrics
        self.fd = fd
        """The descriptor of the counters' memory, for workers."""
        self.slots = metrics.slots
        """How many workers can count at the same time, those that stop included."""

    def set_state(self, state: str) -> None:
        """Say how readiness is answered: "starting", "ready" or "draining"."""
        if self._admin.state != state:
            self._admin.state = state

    def retire(self, slot: int) -> None:
        """Keep the sums of a worker that has ended, and make its slot free."""
        if slot < self.slots:
            self._metrics.retire_slot(slot)


@contextlib.contextmanager
def observed(settings: Settings) -> Iterator[Observed | None]:
    """Serve the metrics of workers while the block lasts; None where that was not asked for.

    Raises:
        OSError: The address cannot be listened on.
    """
    if settings.metrics_bind is None:
        yield None
        return
    slots = max(SLOTS_AT_LEAST, SLOTS_PER_WORKER * settings.processes)
    metrics, fd = _oxbridge.Metrics.create_shared(slots)
    try:
        with _serving(settings.metrics_bind, settings, metrics) as admin:
            yield Observed(admin, metrics, fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def observed_alone(
    settings: Settings,
) -> Iterator[tuple[_oxbridge.Metrics | None, Callable[[str], None]]]:
    """Serve the metrics of this process while the block lasts.

    Gives the counters, or None where that was not asked for, and what sets the state.

    Raises:
        OSError: The address cannot be listened on.
    """
    if settings.metrics_bind is None:
        yield None, _nowhere
        return
    metrics = _oxbridge.Metrics()
    with _serving(settings.metrics_bind, settings, metrics) as admin:

        def set_state(state: str) -> None:
            admin.state = state

        yield metrics, set_state


@contextlib.contextmanager
def _serving(
    bind: str, settings: Settings, metrics: _oxbridge.Metrics
) -> Iterator[_oxbridge.Admin]:
    admin = _oxbridge.Admin(
        [bind],
        metrics,
        health_path=settings.health_path,
        ready_path=settings.ready_path,
    )
    try:
        places = ", ".join(
            each if each.startswith("unix:") else f"http://{each}" for each in admin.addresses
        )
        logger.info("Metrics and health are on %s", places)
        yield admin
    finally:
        admin.stop(LAST_SCRAPE)


def _nowhere(state: str) -> None:
    """Nobody asks."""
