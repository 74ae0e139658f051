"""A Valkey or Redis behind the memory of many processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Redis:
    """Where a Valkey or Redis is, 6 or later, and how it is used; the same in every process.

    One of `url`, `sentinels` and `cluster` is given. URLs are `redis://[user:password@]host[:port]
    [/db]`, `rediss://` for TLS, which believes the certificates that the system believes, and
    `unix:///path`.
    """

    url: str | None = field(default=None, repr=False)
    """One server."""
    sentinels: Sequence[str] = field(default=(), repr=False)
    """URLs of sentinels, which say who the `master` is."""
    master: str | None = None
    """The name under which the sentinels know the master."""
    cluster: Sequence[str] = field(default=(), repr=False)
    """URLs of some nodes of a cluster."""
    prefix: str = "oxbridge"
    """What keys begin with in the engine: `prefix/group/key`."""
    timeout: float = 1.0
    """Seconds that the engine may take. After that values are loaded without it, and it is left
    alone for a while."""
    max_stale: float = 1.0
    """Seconds for which memory is believed after the last sign of life of the connection that tells
    of changes: so old may a value be when the network fails. 0.03 at least."""
    invalidation: Literal["pubsub", "tracking"] = "pubsub"
    """How a process learns that others have changed a key: from them, or from the engine itself
    (client-side caching; not for clusters)."""
    username: str | None = None
    """Who we are to a master that sentinels have found."""
    password: str | None = field(default=None, repr=False)
    """Its password there."""
    database: int | None = None
    """The number of the database there."""
