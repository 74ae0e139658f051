"""A hundred hits of the cache in one request: `cache_hits.py PORT`."""

import sys

from oxbridge import Request, ResponseWriter, cache, route, run

HITS = 100

instance = cache.Instance()
group = instance.group("things", lambda key: b"value")


def hits(w: ResponseWriter, req: Request) -> None:
    for _ in range(HITS):
        value = group.get("key")
    w.write(value)


route("/{$}", hits)
run(port=sys.argv[1], banner=False)
