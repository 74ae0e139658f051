"""One life of a server, from its start to the end of its drain."""

from __future__ import annotations

import atexit
import os
import threading
import time

# As `queue` has it, whose other queues take a quarter of a megabyte.
from _queue import SimpleQueue
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from oxbridge._oxbridge import Core, Tls

if TYPE_CHECKING:
    from oxbridge._loop import LoopThread
    from oxbridge.mux import Mux

# What is cut still needs a moment to end: this long after the deadline nobody waits any more.
GRACE = 1.0
# How often the drain looks whether its deadline was brought forward.
STEP = 0.2
# How often a server shows that it makes progress, in seconds.
BEAT = 1.0
# How long a signal may stay unnoticed in the worst case.
PATIENCE = 0.5

_lives: set[Life] = set()


class Life:
    """A server that has started. Its own thread waits for the order to stop and sees it through.

    Nothing that `begin_stop` does takes a lock, so that a signal handler may call it whatever the
    thread that it interrupts is doing.
    """

    core: Core
    done: threading.Event
    """Set once all has ended, or is no longer waited for."""
    started = True
    """Whether requests are answered, or were: from the beginning on."""

    def __init__(
        self,
        mux: Mux,
        binds: Sequence[str],
        tls: Tls | None,
        options: dict[str, Any],
        on_max_requests: Callable[[], None] | None = None,
    ) -> None:
        """Start.

        Raises:
            OSError: An address cannot be listened on.
            StartupFailed: The application that the mux has mounted refused to start.
        """
        loop: LoopThread | None = None
        if mux._needs_loop:
            # asyncio is imported only by programs that have coroutines.
            from oxbridge._loop import LoopThread

            loop = LoopThread(mux, reactors=options.get("reactors", 1))
        driver = None if loop is None else loop.driver
        self.core = Core(mux._mux, list(binds), tls, options, on_max_requests, driver=driver)
        self.done = threading.Event()
        self.stopping = False
        self._clean = True
        self._deadlines: SimpleQueue[float] = SimpleQueue()
        self._then: Callable[[], None] = _nothing
        self._loop = loop
        if loop is not None:
            loop.start(self.core)
        try:
            mux._start(self.core, loop.app if loop is not None else None)
            if loop is not None:
                loop.serve()
            threading.Thread(target=self._watch, name="oxbridge-stop", daemon=True).start()
        except BaseException:
            self.core.begin_stop(0)
            if loop is not None:
                loop.close(GRACE)
            raise
        _lives.add(self)

    def begin_stop(self, timeout: float) -> None:
        """Order the stop and return at once."""
        self.stopping = True
        self.core.begin_stop(timeout)
        self._deadlines.put(time.monotonic() + timeout)

    def wait(self) -> None:
        """Wait for the end."""
        # In steps: of a signal that comes just before a wait, the interpreter hears after it.
        while not self.done.wait(PATIENCE):
            pass

    def wait_stopped(self) -> bool:
        """Wait for the end of a stop; False if a handler still runs. Ctrl-C cuts what is left."""
        try:
            self.wait()
        except BaseException:
            self.begin_stop(0)
            raise
        return self._clean

    def when_done(self, then: Callable[[], None]) -> None:
        """Have a function called, from another thread, once `done` is set."""
        self._then = then
        if self.done.is_set():
            then()

    def _watch(self) -> None:
        """Wait for the order to stop, then for the end of what runs, or of its time."""
        deadline = self._deadlines.get()
        while not self._finished(min(STEP, max(deadline - time.monotonic(), STEP / 10))):
            while not self._deadlines.empty():
                deadline = min(deadline, self._deadlines.get())
            over = time.monotonic() - deadline
            if over >= 0 and self._loop is not None:
                self._loop.cancel_handlers()
            if over >= GRACE:
                self._clean = False
                break
        if self._loop is not None:
            self._clean = self._close_loop(deadline) and self._clean
        if not self._clean:
            # Imported where there is something to say: it takes half a megabyte.
            import logging

            logger = logging.getLogger("oxbridge")
            logger.warning("A handler still runs although its server has stopped")
        _lives.discard(self)
        self.done.set()
        self._then()

    def _close_loop(self, deadline: float) -> bool:
        """End the loop; the application may take what is left of the time for its shutdown."""
        loop = self._loop
        while loop is not None and not loop.close(STEP):
            while not self._deadlines.empty():
                deadline = min(deadline, self._deadlines.get())
            if time.monotonic() >= deadline + GRACE:
                return False
        return True

    def _finished(self, seconds: float) -> bool:
        """Wait for the connections, and for coroutines whose client left before they ended."""
        if self._loop is None:
            return self.core.wait(seconds)
        return (
            self._loop.wait_drained(seconds)
            and self._loop.wait_idle(seconds)
            and self.core.wait(seconds)
        )


def _nothing() -> None:
    pass


@atexit.register
def _cut_all() -> None:
    """Cut what still runs when the interpreter ends, so that no thread enters it afterwards."""
    lives = list(_lives)
    for life in lives:
        life.begin_stop(0)
    for life in lives:
        life.done.wait(2 * GRACE)


# The threads stay behind in the parent: a child has no server to stop.
os.register_at_fork(after_in_child=_lives.clear)
