"""What a group has done, in numbers, under the names that groupcache gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


# Of `Stats`, those that are not the sum of others.
_COUNTERS = {
    "gets": "Keys asked for.",
    "stale_hits": "Keys answered by an expired value while it was loaded anew.",
    "loads": "Keys that were not in memory.",
    "loads_deduped": "Loads that waited for another one of the same key.",
    "local_loads": "Loads by the getter that gave a value.",
    "local_load_errs": "Loads by the getter that failed.",
    "peer_loads": "Loads answered by the owner of the key.",
    "peer_errors": "Loads that the owner of the key could not answer.",
    "server_requests": "Keys asked for by peers.",
    "sets": "Values set.",
    "deletes": "Keys deleted.",
}
# Name in the text, in `CacheStats`, its type, and what it is.
_CACHES = (
    ("bytes", "bytes", "gauge", "Bytes of keys and values."),
    ("items", "items", "gauge", "Entries."),
    ("hits_total", "hits", "counter", "Keys answered from memory."),
    ("evictions_total", "evictions", "counter", "Entries that had to make room."),
)


def prometheus(groups: Mapping[str, Stats]) -> str:
    """Write the numbers of groups in Prometheus' text format (version 0.0.4)."""
    lines: list[str] = []

    def family(name: str, kind: str, text: str, samples: Iterable[tuple[str, int]]) -> None:
        name = f"oxbridge_cache_{name}"
        lines.extend((f"# HELP {name} {text}", f"# TYPE {name} {kind}"))
        lines.extend(f"{name}{{{labels}}} {value}" for labels, value in samples)

    labels = {name: f'group="{_escaped(name)}"' for name in groups}
    for name, text in _COUNTERS.items():
        values = ((labels[group], _number(stats, name)) for group, stats in groups.items())
        family(f"{name}_total", "counter", text, values)
    for name, field, kind, text in _CACHES:
        values = (
            (f'{labels[group]},cache="{cache}"', _number(numbers, field))
            for group, stats in groups.items()
            for cache, numbers in (("main", stats["main"]), ("hot", stats["hot"]))
        )
        family(name, kind, text, values)
    return "\n".join(lines) + "\n"


def _number(numbers: Mapping[str, object], name: str) -> int:
    value = numbers[name]
    # The names above are those of counters.
    assert isinstance(value, int)  # noqa: S101
    return value


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
