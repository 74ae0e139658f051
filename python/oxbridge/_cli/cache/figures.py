"""From what nodes say to what is shown: sums, rates, percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from oxbridge._cli.cache.asking import Answer


@dataclass
class Counts:
    """Sums of counters."""

    gets: int = 0
    hits: int = 0
    loads: int = 0
    errors: int = 0
    items: int = 0
    bytes: int = 0
    max_bytes: int = 0
    latency: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, group: dict[str, Any]) -> Counts:
        """Give the counts of a group of a node."""
        stats = group["stats"]
        caches = (stats["main"], stats["hot"])
        return cls(
            stats["gets"],
            stats["cache_hits"] + stats["stale_hits"],
            stats["loads"],
            stats["local_load_errs"] + stats["peer_errors"] + stats["tier_errors"],
            sum(cache["items"] for cache in caches),
            sum(cache["bytes"] for cache in caches),
            group["max_bytes"],
            _sum(group["getter"]["counts"], group["peers"]["counts"]),
        )

    def add(self, other: Counts) -> None:
        """Add what somebody else has counted."""
        self.gets += other.gets
        self.hits += other.hits
        self.loads += other.loads
        self.errors += other.errors
        self.items += other.items
        self.bytes += other.bytes
        self.max_bytes += other.max_bytes
        self.latency = _sum(self.latency, other.latency)

    def since(self, before: Counts) -> Counts:
        """Give what has come since; sizes are what they are now."""
        if before.gets > self.gets:
            # It began anew.
            return self
        pairs = zip(self.latency, [*before.latency, *([0] * len(self.latency))], strict=False)
        return Counts(
            self.gets - before.gets,
            self.hits - before.hits,
            self.loads - before.loads,
            self.errors - before.errors,
            self.items,
            self.bytes,
            self.max_bytes,
            [max(0, now - then) for now, then in pairs],
        )

    def hit_rate(self) -> float | None:
        """Give the share of keys that were in memory."""
        return self.hits / self.gets if self.gets else None

    def quantile(self, share: float) -> int | None:
        """Give what so many loads do not exceed, in microseconds: a power of two."""
        left = max(1.0, sum(self.latency) * share)
        for number, count in enumerate(self.latency):
            left -= count
            if left <= 0:
                return 1 << number
        return None


@dataclass
class Node:
    """A node, as it is shown."""

    address: str
    problem: str
    share: float | None
    counts: Counts
    uptime: float
    down_for: int
    """How many of the other nodes leave it alone."""


@dataclass
class Look:
    """What all nodes have said at one moment, or since the one before."""

    nodes: list[Node]
    groups: dict[str, Counts]
    total: Counts
    seconds: float
    deaf: list[str]
    """Groups whose second tier is not heard, and on which node."""


def look(answers: Sequence[Answer]) -> Look:
    """Sum up what nodes have said. Rates are those since they began: divide by `seconds`."""
    shares: dict[str, float] = {}
    left_alone: dict[str, int] = {}
    for answer in answers:
        for node in (answer.snapshot or {}).get("nodes", ()):
            name = _bare(node["address"])
            shares[name] = node["share"]
            left_alone[name] = left_alone.get(name, 0) + (not node["answers"])
    nodes, groups, total, deaf = [], dict[str, Counts](), Counts(), []
    for answer in answers:
        counts = Counts()
        snapshot = answer.snapshot or {}
        for group in snapshot.get("groups", ()):
            for sums in (counts, total, groups.setdefault(group["name"], Counts())):
                sums.add(Counts.of(group))
            if not group["is_listening"]:
                deaf.append(f"{group['name']} on {_bare(answer.address)}")
        name = _bare(str(snapshot.get("node") or answer.address))
        uptime = float(snapshot.get("uptime_seconds", 0))
        known = left_alone.get(name, 0)
        nodes.append(Node(name, answer.problem, shares.get(name), counts, uptime, known))
    oldest = max((node.uptime for node in nodes), default=0.0)
    return Look(nodes, dict(sorted(groups.items())), total, max(oldest, 1e-9), deaf)


def between(before: Look, after: Look, seconds: float) -> Look:
    """Give what has come between two looks."""
    old = {node.address: node.counts for node in before.nodes if not node.problem}
    nodes = [
        Node(
            node.address,
            node.problem,
            node.share,
            node.counts.since(old.get(node.address, node.counts)),
            node.uptime,
            node.down_for,
        )
        for node in after.nodes
    ]
    # Summed from the nodes that answered both times, so that one that comes or goes is no burst.
    answered = [node for node in nodes if not node.problem and node.address in old]
    groups = {
        name: counts.since(before.groups.get(name, counts)) for name, counts in after.groups.items()
    }
    total = Counts()
    for node in answered:
        total.add(node.counts)
    total.items, total.bytes = after.total.items, after.total.bytes
    total.max_bytes = after.total.max_bytes
    return Look(nodes, groups, total, max(seconds, 1e-9), after.deaf)


def _sum(one: list[int], other: list[int]) -> list[int]:
    length = max(len(one), len(other))
    return [
        (one[n] if n < len(one) else 0) + (other[n] if n < len(other) else 0) for n in range(length)
    ]


def _bare(address: str) -> str:
    """An address without its scheme."""
    return address.rpartition("://")[2].rstrip("/")
