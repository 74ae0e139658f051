"""Threads with an event loop each, which serve an application that another loop has started."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

from oxbridge._drive import call_soon
from oxbridge._life import GRACE, STEP
from oxbridge._looprun import LoopRun

logger = logging.getLogger("oxbridge")


class Companions:
    """The runs of one application on loops beside the first, each in a thread of its own.

    The application is started and ended once, on the first loop. Its companions begin to serve when
    that does, and end before it tells the application of the end.
    """

    def __init__(
        self,
        runs: Sequence[LoopRun],
        loop_factory: Callable[[], asyncio.AbstractEventLoop],
        failed: Callable[[], None],
    ) -> None:
        """Describe them.

        Args:
            runs: What they serve: each shares the start of the first loop's run.
            loop_factory: Makes the loop of each.
            failed: Called from any thread when one ends by an error: it orders the stop of all.
        """
        self.error: BaseException | None = None
        """What one ended by, the first if there were several."""
        self._runs = runs
        self._loop_factory = loop_factory
        self._failed = failed
        self._lock = threading.Lock()
        self._starting = len(runs)
        self._threads: list[threading.Thread] = []
        self._home: asyncio.AbstractEventLoop
        self._ended: asyncio.Event
        self._serving = 0

    def start(self, ready: Callable[[], None]) -> None:
        """Start them, from the first loop; `ready` is called on that once all answer requests."""
        self._home = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._serving = len(self._runs)
        for number, run in enumerate(self._runs, 1):
            thread = threading.Thread(
                target=self._serve,
                args=(run, ready),
                name=f"oxbridge-loop-{number}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    async def ended(self, deadline: Callable[[], float]) -> bool:
        """Wait until all have ended; False if one has not soon after the deadline.

        Args:
            deadline: Gives the deadline as it is now, on the monotonic clock.
        """
        while self._serving and not self._ended.is_set():
            if time.monotonic() > deadline() + 2 * GRACE:
                return False
            try:
                await asyncio.wait_for(self._ended.wait(), STEP)
            except TimeoutError:
                continue
        return True

    def cut(self) -> None:
        """Cut what still runs, and wait for its end as long as that should take."""
        for run in self._runs:
            run.begin_stop(0)
        until = time.monotonic() + 2 * GRACE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self, run: LoopRun, ready: Callable[[], None]) -> None:
        """Serve in this thread."""

        def on_ready(addresses: list[str]) -> None:
            with self._lock:
                self._starting -= 1
                last = not self._starting
            if last:
                call_soon(self._home, ready)

        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                runner.run(run.run(on_ready))
        except BaseException as error:
            logger.debug("An event loop of several has failed", exc_info=True)
            with self._lock:
                self.error = self.error or error
            self._failed()
        finally:
            with self._lock:
                self._serving -= 1
                last = not self._serving
            if last:
                call_soon(self._home, self._ended.set)


class Pulse:
    """One sign of life of several loops, given when each has shown one. Any thread may use it."""

    def __init__(self, loops: int, beat: Callable[[], None]) -> None:
        self._all = frozenset(range(loops))
        self._missing = set(self._all)
        self._lock = threading.Lock()
        self._beat = beat

    def of(self, number: int) -> Callable[[], None]:
        """Return what the loop of that number, from 0, is to call about once a second."""

        def beat() -> None:
            with self._lock:
                self._missing.discard(number)
                complete = not self._missing
                if complete:
                    self._missing.update(self._all)
            if complete:
                self._beat()

        return beat
