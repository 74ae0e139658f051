"""Which workers there should be, and what is done about those that there are."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

from oxbridge._supervisor.backoff import Backoff
from oxbridge._supervisor.process import Due, State, Worker
from oxbridge._supervisor.settings import Admin, Settings

logger = logging.getLogger("oxbridge")

# How often the memory of workers is looked at, in seconds.
MEMORY_EVERY = 2.0
# How long requests may take to finish when a source file has changed, in seconds: streams that
# never end would keep the new code waiting.
RESTART_TIME = 1.0
# Exit codes of a start that failed; the second is uvicorn's for a lifespan that refuses.
FAILED = 1
REFUSED = 3


class Pool:
    """The workers. Everything happens in one thread, and `attend` is called after every event.

    A worker that is due is replaced: its successor starts first, and only once that one is ready
    does it stop. There is one such successor at a time.
    """

    def __init__(
        self,
        settings: Settings,
        descriptors: Sequence[int],
        *,
        command: Sequence[str],
        admin: Admin | None,
        on_ready: Callable[[str | None, str | None], None],
    ) -> None:
        """Describe the workers; none is started before the first `attend`.

        Args:
            settings: The configuration.
            descriptors: The listening sockets.
            command: The program of a worker.
            admin: Is told when there are workers that serve, and when a slot is free again.
            on_ready: Called once, when all first workers are ready, with the application's name
                and interface as a worker has told them.
        """
        self.workers: list[Worker] = []
        self.wanted = settings.processes
        self.failure: str | None = None
        """Why nothing could be served at all; then `stopping` is set."""
        self.exit_code = 0
        """That of the process, once it is over."""
        self.stopping = False
        self._settings = settings
        self._former: Settings | None = None
        """What was in force before, until workers have started with what is."""
        self._descriptors = list(descriptors)
        self._command = command
        self._admin = admin
        self._on_ready: Callable[[str | None, str | None], None] | None = on_ready
        self._served: tuple[str | None, str | None] = (None, None)
        """The application's name and interface, as the first ready worker has told them."""
        self._backoff = Backoff(settings.respawn_delay, settings.respawn_max_delay)
        self._next_memory = 0.0
        self._proven = settings.reload
        """A start that fails is no longer the end. With reload it never is: a file may change."""
        self._held = False
        """With reload: nothing starts before a file changes, since what there is does not work."""

    # Orders

    def configure(self, settings: Settings) -> None:
        """Start workers by this configuration from now on, unless one does not start by it."""
        if self._former is None:
            self._former = self._settings
        if settings.processes != self._settings.processes:
            self.wanted = settings.processes
        self._settings = settings

    def roll(self, now: float) -> None:
        """Replace all workers, one after the other."""
        logger.info("Reloading: %d workers are replaced one after the other", len(self._serving()))
        for worker in self._serving():
            if worker.state is State.READY:
                worker.due = Due.RELOAD
            else:
                # It would come up with the old code.
                worker.stop(now, 0)
        self._backoff.reset()

    @property
    def rolling(self) -> bool:
        """Whether workers serve that `roll` has found and that are to be replaced."""
        return any(each.due is Due.RELOAD for each in self._serving())

    def restart(self, now: float) -> None:
        """Stop all workers, and start anew once they have gone."""
        self._held = False
        self._backoff.reset()
        for worker in self._serving():
            worker.stop(now, RESTART_TIME)

    def resize(self, by: int) -> None:
        """Have one worker more or less; there is always one."""
        self.wanted = max(1, self.wanted + by)
        logger.info("There shall be %d workers", self.wanted)

    def tell(self, **message: object) -> None:
        """Send a message to every worker."""
        for worker in self.workers:
            worker.channel.send(**message)

    def stop(self, now: float, seconds: float | None) -> None:
        """Stop for good; a later call can only shorten the time."""
        self.stopping = True
        self._set_state()
        for worker in self.workers:
            worker.stop(now, seconds)

    @property
    def over(self) -> bool:
        """Whether it was told to stop, and all workers have ended."""
        return self.stopping and not self.workers

    # Events

    def hear(self, worker: Worker, now: float) -> None:
        """Take what a worker has said."""
        for message in worker.messages(now):
            if "ready" in message and worker.state is State.STARTING:
                worker.state = State.READY
                self._proven = True
                # Whoever was about to start by the one before has been stopped.
                self._former = None
                self._served = (_text(message.get("name")), _text(message.get("interface")))
                logger.debug("%s is ready", worker)
            elif "failed" in message:
                worker.failure = str(message["failed"])
                worker.traceback = _text(message.get("traceback"))
                worker.refused = message.get("refused") is True
            elif "max_requests" in message and worker.state is State.READY:
                worker.due = worker.due or Due.REQUESTS
            elif "stopping" in message and worker.serving:
                # Somebody told it, by a signal. It keeps its own time.
                worker.state = State.STOPPING
                self._backoff.hold(now)
                logger.info("%s stops, as it was told by a signal", worker)

    def attend(self, now: float) -> None:
        """Do whatever is to be done by now."""
        self._bury(now)
        self._kill_late(now)
        if not self.stopping:
            self._examine(now)
            self._balance(now)
        self._set_state()
        ready = sum(worker.state is State.READY for worker in self.workers)
        if self._on_ready is not None and ready >= self.wanted and not self.stopping:
            on_ready, self._on_ready = self._on_ready, None
            on_ready(*self._served)

    def next_time(self, now: float) -> float | None:
        """When `attend` next has something to do though nothing happens."""
        settings, times = self._settings, [each.deadline for each in self.workers]
        if not self.stopping:
            ready = [each for each in self.workers if _ready(each)]
            times += [each.expires for each in ready if each.due is None]
            times += [self._hangs_at(each) for each in self._serving()]
            if settings.worker_max_memory:
                times.append(self._next_memory)
            # What could start before now has been started.
            if self._backoff.until > now:
                times.append(self._backoff.until)
        return min((time for time in times if time is not None), default=None)

    # What `attend` consists of

    def _bury(self, now: float) -> None:
        """Take leave of those that have ended."""
        for worker in [each for each in self.workers if each.process.poll() is not None]:
            self.hear(worker, now)
            worker.close()
            self.workers.remove(worker)
            for successor in self.workers:
                if successor.replaces is worker:
                    successor.replaces = None
            if self._admin is not None:
                self._admin.retire(worker.slot)
            if not self.stopping and (worker.state is State.STARTING or worker.late):
                self._start_failed(worker, now)
            elif not self.stopping and worker.state is State.READY:
                pause = self._backoff.fail(now, now - worker.started)
                how = f"failed: {worker.reason}" if worker.failure else worker.end
                logger.error("%s %s; the next one starts in %.1f s", worker, how, pause)
            elif worker.process.returncode and not (worker.killed or self.failure):
                logger.warning("%s %s while it stopped", worker, worker.end)
            else:
                logger.debug("%s has stopped", worker)

    def _start_failed(self, worker: Worker, now: float) -> None:
        why = worker.reason
        if not self._proven:
            self._give_up(now, why, REFUSED if worker.refused else FAILED)
        elif self._settings.reload:
            self._held = True
            logger.error("%s\nWaiting for a file to change", why)
        elif self._former is not None or (
            worker.replaces is not None and worker.replaces.due is Due.RELOAD
        ):
            for each in self.workers:
                if each.due is Due.RELOAD:
                    each.due = None
                if each.replaces is not None or each.state is State.STARTING:
                    each.stop(now, 0)
            self._restore()
            logger.error("Reloading was given up, the old workers serve on: %s", why)
        else:
            pause = self._backoff.fail(now, now - worker.started)
            logger.error("%s; the next attempt is in %.1f s", why, pause)

    def _restore(self) -> None:
        """Go back to the configuration that workers have started by."""
        former, self._former = self._former, None
        if former is not None:
            if former.processes != self._settings.processes:
                self.wanted = former.processes
            self._settings = former

    def _give_up(self, now: float, why: str, exit_code: int) -> None:
        """End it all: nothing was ever served."""
        self.failure, self.exit_code = why, exit_code
        self.stop(now, 0)

    def _kill_late(self, now: float) -> None:
        for worker in self.workers:
            if worker.deadline is not None and now >= worker.deadline:
                if not worker.killed:
                    logger.warning("%s did not stop in time and is killed", worker)
                worker.kill()

    def _examine(self, now: float) -> None:
        """Find those that hang, and those that are too old or too large."""
        settings = self._settings
        weigh = bool(settings.worker_max_memory) and now >= self._next_memory
        if weigh:
            self._next_memory = now + MEMORY_EVERY
        for worker in self._serving():
            hangs_at = self._hangs_at(worker)
            if hangs_at is not None and now >= hangs_at:
                self._found_hanging(worker, now)
            elif worker.state is State.READY and worker.due is None:
                if worker.expires is not None and now >= worker.expires:
                    worker.due = Due.LIFETIME
                elif weigh and worker.memory() > (settings.worker_max_memory or sys.maxsize):
                    worker.due = Due.MEMORY

    def _found_hanging(self, worker: Worker, now: float) -> None:
        silence = now - worker.heard
        if worker.state is State.READY:
            logger.error("%s hangs: no sign of life for %.0f s; it is killed", worker, silence)
            self._backoff.fail(now, now - worker.started)
        else:
            worker.failure = f"a worker was not ready after {silence:.0f} s"
            worker.late = True
            # What comes next is decided when it has ended.
            self._backoff.hold(now)
        worker.abort(now)

    def _hangs_at(self, worker: Worker) -> float | None:
        """When a worker has kept silent for too long; None for never."""
        settings = self._settings
        if settings.reload:
            return None  # A developer may be in a debugger.
        ready = worker.state is State.READY
        limit = settings.timeout_worker_healthcheck if ready else settings.worker_timeout
        return worker.heard + limit if limit else None

    def _balance(self, now: float) -> None:
        """Start those that are missing, stop those too many, and replace those that are due."""
        if self._settings.reload and not all(each.serving for each in self.workers):
            return
        for successor in [each for each in self._serving() if each.replaces is not None]:
            old = successor.replaces
            if successor.state is State.READY and old is not None:
                successor.replaces = None
                reason = old.due.value if old.due is not None else "nothing"
                logger.info("%s takes the place of %s, due for %s", successor, old, reason)
                old.stop(now, self._settings.timeout_graceful_shutdown)
        surplus = -self._missing()
        # First whoever would be replaced anyway, then the oldest.
        for worker in sorted(self._regular(), key=lambda each: each.due is None)[: max(0, surplus)]:
            worker.stop(now, self._settings.timeout_graceful_shutdown)
        if self._held or now < self._backoff.until:
            return
        for _ in range(self._missing()):
            if not self._start(now, None):
                return
        due = next((each for each in self._regular() if each.due and _ready(each)), None)
        if due is not None and all(each.replaces is None for each in self._serving()):
            self._start(now, due)

    def _start(self, now: float, replaces: Worker | None) -> bool:
        settings, fds = self._settings, self._descriptors
        taken = {each.slot for each in self.workers}
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        # Without a slot it serves all the same, uncounted: better than no worker.
        counts = self._admin is not None and slot < self._admin.slots
        metrics = [self._admin.fd] if self._admin is not None and counts else []
        try:
            worker = Worker(
                self._command,
                slot,
                now,
                descriptors=[*fds, *metrics],
                own_session=not settings.reload,
                lifetime=settings.worker_max_lifetime,
            )
        except OSError as error:
            if not self._proven:
                self._give_up(now, f"cannot start a worker: {error}", FAILED)
                return False
            pause = self._backoff.fail(now, 0)
            logger.error("cannot start a worker (%s); the next attempt is in %.1f s", error, pause)
            return False
        worker.replaces = replaces
        worker.channel.send(
            config=settings.to_json(),
            binds=[f"fd:{fd}" for fd in fds],
            slot=slot,
            metrics_fd=metrics[0] if metrics else None,
            path=sys.path,
        )
        self.workers.append(worker)
        return True

    def _serving(self) -> list[Worker]:
        return [each for each in self.workers if each.serving]

    def _regular(self) -> list[Worker]:
        """Those that serve, without successors that are not ready yet."""
        return [each for each in self._serving() if each.replaces is None]

    def _missing(self) -> int:
        return self.wanted - len(self._regular())

    def _set_state(self) -> None:
        if self._admin is not None:
            serves = "ready" if any(map(_ready, self.workers)) else "starting"
            self._admin.set_state("draining" if self.stopping else serves)


def _ready(worker: Worker) -> bool:
    return worker.state is State.READY


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
