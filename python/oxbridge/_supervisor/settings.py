"""What the supervisor asks of the configuration, and of those it tells about its workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

Announce = Callable[[Sequence[str], str | None, str | None], None]
"""Says that requests are served: where, what, and of which interface, as workers have found out."""


class Settings(Protocol):
    """The part of a configuration that the supervisor reads. Times are in seconds."""

    @property
    def processes(self) -> int:
        """How many worker processes there shall be; at least 1."""

    @property
    def backlog(self) -> int:
        """How many connections may wait in each listening socket."""

    @property
    def timeout_graceful_shutdown(self) -> float | None:
        """How long a worker may finish its requests; None for as long as they take."""

    @property
    def timeout_worker_healthcheck(self) -> float:
        """A worker that serves and has shown no sign of life for so long is replaced; 0 for never.

        Signs come once a second from where requests are handled, so this is also the longest that
        an event loop may be blocked.
        """

    @property
    def worker_timeout(self) -> float | None:
        """A worker that does not serve yet at this age is replaced; None for never."""

    @property
    def respawn_delay(self) -> float:
        """The pause after a worker has failed; it doubles with each further failure."""

    @property
    def respawn_max_delay(self) -> float:
        """The longest that this pause grows to."""

    @property
    def worker_max_lifetime(self) -> float | None:
        """A worker is replaced at this age, and up to a tenth later."""

    @property
    def worker_max_memory(self) -> int | None:
        """A worker is replaced when it occupies more than so many bytes of memory."""

    @property
    def pid_file(self) -> str | None:
        """Where the supervisor writes its process number."""

    @property
    def uds_mode(self) -> int | None:
        """The mode of socket files; None leaves it to the umask."""

    @property
    def reload(self) -> bool:
        """Whether workers restart when a source file changes."""

    @property
    def reload_dirs(self) -> Sequence[str]:
        """Directories to watch; empty for the current one."""

    @property
    def reload_includes(self) -> Sequence[str]:
        """Patterns of file names to watch beside `*.py`, or directories."""

    @property
    def reload_excludes(self) -> Sequence[str]:
        """Patterns of names, or directories, not to watch."""

    @property
    def reload_delay(self) -> float:
        """How often to look, and how long changes are collected."""

    def binds(self) -> list[str]:
        """Addresses to listen on: "host:port", "unix:/path", "fd:3", "systemd"."""

    def to_json(self) -> str:
        """The whole configuration, for workers."""


class Admin(Protocol):
    """Who shows the world how the workers are: a health port, metrics."""

    @property
    def fd(self) -> int:
        """A descriptor that workers inherit under this number, for their counters."""

    @property
    def slots(self) -> int:
        """How many workers can have counters; those beyond count nothing."""

    def set_state(self, state: str, /) -> None:
        """Say whether requests are served.

        "starting" is while no worker serves, "ready" while one does, "draining" from a stop on.
        Called again and again, whether it has changed or not.
        """

    def retire(self, slot: int, /) -> None:
        """The worker in this slot has ended, and the next one to start may get its number."""
