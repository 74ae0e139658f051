"""Three nodes of a cache, and visitors who ask them: something to look at.

Start it:

    python examples/cache/three_nodes.py

Look at it:

    oxbridge cache top --secret-file examples/cache/secret.txt http://127.0.0.1:7001

Ask it:

    curl http://127.0.0.1:5000/squares/12
    curl -X DELETE http://127.0.0.1:5000/squares/12

The nodes share one process here; yours are processes on several machines. With PORT=0 and NODES=0
the ports are free ones, which the first lines say.
"""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

from oxbridge import Request, ResponseWriter, cache, route, run

SECRET = (Path(__file__).parent / "secret.txt").read_bytes().strip()


def square(key: str) -> str:
    """Take some time, as a database would."""
    time.sleep(random.uniform(0.001, 0.02))
    if not key.isdecimal():
        raise cache.NotFound(f"{key} is no number")
    return str(int(key) ** 2)


def start(first: int) -> list[cache.Instance]:
    """Start the nodes and tell them of each other."""
    nodes = [cache.Instance(peers=cache.Peers("oxbridge", secret=SECRET)) for _ in range(3)]
    places = [f"127.0.0.1:{first + number if first else 0}" for number in range(3)]
    addresses = [node.serve(place) for node, place in zip(nodes, places, strict=True)]
    for node in nodes:
        node.set_peers(addresses)
    for address in addresses:
        print(f"node {address}", flush=True)
    return nodes


def fill(node: cache.Instance) -> cache.Group[str]:
    """Make the group, which is the same on every node."""
    return node.group(
        "squares", square, serializer="str", max_bytes=1 << 20, ttl=20, negative_ttl=5
    )


def visit(groups: list[cache.Group[str]]) -> None:
    """Ask for small numbers often, and for large ones seldom."""
    while True:
        group = random.choice(groups)
        group.get(str(int(random.paretovariate(0.7))))
        time.sleep(0.0005)


if __name__ == "__main__":
    nodes = start(int(os.environ.get("NODES", "7001")))
    groups = [fill(node) for node in nodes]

    @route("GET /squares/{number}")
    def get(w: ResponseWriter, req: Request) -> None:
        try:
            w.write(random.choice(groups).get(req.path_value("number")) + "\n")
        except cache.NotFound as error:
            w.set_status(404)
            w.write(f"{error}\n")

    @route("DELETE /squares/{number}")
    def delete(w: ResponseWriter, req: Request) -> None:
        groups[0].delete(req.path_value("number"))

    threading.Thread(target=visit, args=(groups,), daemon=True).start()
    run(host="127.0.0.1", port=os.environ.get("PORT", "5000"))
