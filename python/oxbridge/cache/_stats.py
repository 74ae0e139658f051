"""What a group has done, in numbers, under the names that groupcache gives them."""

from __future__ import annotations

from typing import TypedDict


class CacheStats(TypedDict):
    """Numbers of one cache."""

    bytes: int
    """Bytes of all keys and values."""
    items: int
    """Entries."""
    hits: int
    """Keys found here."""
    evictions: int
    """Entries that had to make room."""


class Stats(TypedDict):
    """Numbers of one group in this process, since it was made."""

    gets: int
    """Keys asked for, by this process and by peers."""
    cache_hits: int
    """Of these, answered from memory."""
    stale_hits: int
    """Of these, answered by what has expired, while it was loaded anew."""
    loads: int
    """Keys that were not there."""
    loads_deduped: int
    """Loads that waited for another one of the same key."""
    local_loads: int
    """Loads by the getter that gave a value."""
    local_load_errs: int
    """Loads by the getter that failed; that there is no such thing is one of them."""
    peer_loads: int
    """Loads that the owner of the key answered."""
    peer_errors: int
    """Loads that the owner of the key could not answer."""
    tier_hits: int
    """Loads that the second tier answered."""
    tier_errors: int
    """Loads for which the second tier could not be asked."""
    server_requests: int
    """Keys asked for by peers."""
    sets: int
    """Values set by this process or by peers."""
    deletes: int
    """Keys deleted by this process or by peers."""
    main: CacheStats
    """What this node owns."""
    hot: CacheStats
    """Copies of what others own."""


class Latency(TypedDict):
    """How long something took, counted in classes."""

    counts: list[int]
    """The n-th number counts those of at most 2**n microseconds that none before it counts; what is
    not there is 0."""
    total_micros: int
    """All of them together, in microseconds."""


class GroupSnapshot(TypedDict):
    """A group at one moment."""

    name: str
    max_bytes: int
    """How many bytes of keys and values it may keep."""
    stats: Stats
    getter: Latency
    """How long the getter took."""
    peers: Latency
    """How long other nodes took, for keys that they own."""
    is_listening: bool
    """Whether memory is believed: not while a second tier is not heard."""


class NodeSnapshot(TypedDict):
    """A node of the cluster, as one of them sees it."""

    address: str
    is_self: bool
    share: float
    """The share of all possible keys that it owns, between 0 and 1."""
    answers: bool
    """Whether it has answered lately; one that has not is left alone for a while."""
    answered: int
    """Requests to it that were answered."""
    failed: int
    """Requests to it that were not."""
    latency: Latency
    """How long it took to answer."""


class Snapshot(TypedDict):
    """An instance at one moment."""

    version: str
    node: str | None
    """Its own address; None without peers."""
    dialect: str | None
    uptime_seconds: float
    groups: list[GroupSnapshot]
    nodes: list[NodeSnapshot]
