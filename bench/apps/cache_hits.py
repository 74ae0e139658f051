"""How long a hit takes, in nanoseconds: `cache_hits.py REDIS_PORT GO_LIBRARY ROUNDS`.

Every cache has the same thousand keys and is asked for them in the same order by the same loop, one
after the other in each round; the loop alone is measured, too, and taken off. It prints JSON: for
each a list of nanoseconds, one for each round.
"""

from __future__ import annotations

import ctypes
import functools
import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import cachetools
import redis

from oxbridge import cache

T = TypeVar("T")

KEYS = [f"key-{number}" for number in range(1000)]
TIMES = 200
SLOW_TIMES = 5


def value_of(key: str) -> bytes:
    return b"value of " + key.encode()


def through_a_function() -> Callable[[str], object]:
    known = {key: value_of(key) for key in KEYS}

    def get(key: str) -> bytes | None:
        return known.get(key)

    return get


def through_ctypes(path: str) -> Callable[[str], object]:
    library = ctypes.CDLL(path)
    library.cache_get.argtypes = [ctypes.c_char_p]
    library.cache_get.restype = ctypes.c_void_p
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]

    def get(key: str) -> bytes:
        pointer = library.cache_get(key.encode())
        value = ctypes.string_at(pointer)
        free(pointer)
        return value

    return get


def measure(get: Callable[[str], object], times: int) -> float:
    for key in KEYS:
        get(key)
    begun = time.perf_counter_ns()
    for _ in range(times):
        for key in KEYS:
            get(key)
    took = time.perf_counter_ns() - begun
    begun = time.perf_counter_ns()
    for _ in range(times):
        for _key in KEYS:
            pass
    took -= time.perf_counter_ns() - begun
    return took / (times * len(KEYS))


def main(redis_port: int, library: str, rounds: int) -> None:
    instance = cache.Instance()
    group = instance.group("things", value_of)
    decorated = cache.cached(instance=instance)(value_of)
    limited = cachetools.cached(cachetools.LRUCache(2000))(value_of)
    engine = redis.Redis(port=redis_port)
    for key in KEYS:
        engine.set(key, value_of(key))
    caches: list[tuple[str, Callable[[str], object], int]] = [
        ("dict.get through a function", through_a_function(), TIMES),
        ("oxbridge.cache Group.get", group.get, TIMES),
        ("oxbridge.cache @cached", decorated, TIMES),
        ("functools.lru_cache", functools.lru_cache(2000)(value_of), TIMES),
        ("cachetools @cached LRUCache", limited, TIMES),
        ("golang/groupcache by ctypes", through_ctypes(library), TIMES // 10),
        ("redis-py over loopback", engine.get, SLOW_TIMES),
    ]
    for name, get, _ in caches:
        assert get(KEYS[7]) == value_of(KEYS[7]), name
    taken: dict[str, list[float]] = {name: [] for name, _, _ in caches}
    for number in range(rounds):
        for name, get, times in turned(caches, number):
            taken[name].append(measure(get, times))
    print(json.dumps(taken))
    instance.close()


def turned(items: list[T], number: int) -> Iterable[T]:
    """Begin each round elsewhere, so that none always comes after the same other."""
    return items[number % len(items) :] + items[: number % len(items)]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
