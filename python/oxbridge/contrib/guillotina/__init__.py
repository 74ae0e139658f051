"""The Guillotina application `oxbridge.contrib.guillotina`: processes that share one cache.

    applications: ["oxbridge.contrib.guillotina"]
    oxbridge_cache:
      bind: 10.0.0.1:7000
      peers: [http://10.0.0.1:7000, http://10.0.0.2:7000]
      secret: a secret of the cluster

Guillotina's cache utility then keeps its objects in a group of `oxbridge.cache`, which every
process reads, and a commit has taken what it changes out of all of them when it returns. See the
guide of the cache.
"""

from __future__ import annotations

from typing import Any

app_settings: dict[str, Any] = {
    # For its services, `@cache-stats` and `@cache-clear`.
    "applications": ["guillotina.contrib.cache"],
    "cache": {
        # Guillotina's own names, for its strategy and its services.
        "driver": None,
        "updates_channel": None,
        "memory_cache_size": 200 << 20,
        "strategy": "oxbridge",
        "ttl": 3600,
        "push": False,
    },
    "oxbridge_cache": {},
    "load_utilities": {
        "guillotina_cache": {
            "provides": "guillotina.interfaces.ICacheUtility",
            "factory": "oxbridge.contrib.guillotina.utility.CacheUtility",
            "settings": {},
        }
    },
}


def includeme(root: object, settings: object) -> None:
    """Have Guillotina find the strategy."""
    from guillotina import configure

    configure.scan("oxbridge.contrib.guillotina.strategy")
