"""groupcache for Python: a cache inside the processes that use it, filled once per key.

    from oxbridge import cache

    with cache.Instance() as instance:
        pages = instance.group("pages", load_page, ttl=60)
        pages.get("/index")  # loaded once, however many ask

A group has a name, a getter, and a bound in bytes. `cached` does the same for a function, by its
arguments. With `Peers`, the instances of several processes are a cluster, which Go programs with
groupcache may be part of.
"""

from __future__ import annotations

from oxbridge._oxbridge import (
    CacheClosed,
    CacheError,
    CacheFollowing,
    CacheListener,
    Group,
    NotFound,
    PeerError,
    RemoteError,
    TierError,
    Unsupported,
)
from oxbridge.cache._classic import get, initialized, set, setup  # noqa: A004
from oxbridge.cache._decorator import Cached, CacheInfo, cached
from oxbridge.cache._default import default_instance
from oxbridge.cache._instance import Instance
from oxbridge.cache._peers import NodeTls, Peers
from oxbridge.cache._redis import Redis
from oxbridge.cache._serializers import Serializer
from oxbridge.cache._stats import (
    CacheStats,
    GroupSnapshot,
    Latency,
    NodeSnapshot,
    Snapshot,
    Stats,
)

__all__ = [
    "CacheClosed",
    "CacheError",
    "CacheFollowing",
    "CacheInfo",
    "CacheListener",
    "CacheStats",
    "Cached",
    "Group",
    "GroupSnapshot",
    "Instance",
    "Latency",
    "NodeSnapshot",
    "NodeTls",
    "NotFound",
    "PeerError",
    "Peers",
    "Redis",
    "RemoteError",
    "Serializer",
    "Snapshot",
    "Stats",
    "TierError",
    "Unsupported",
    "cached",
    "default_instance",
    "get",
    "initialized",
    "set",
    "setup",
]
