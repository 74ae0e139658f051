"""A cache at work, for the compiler to watch: hits, loads, and two nodes that ask each other."""

from __future__ import annotations

from oxbridge import cache

HITS = 300_000
LOADS = 5_000


def load(key: str) -> bytes:
    """Give every key a value."""
    return key.encode() * 8


def main() -> None:
    """Ask for many keys, of a process's own and of another node."""
    with cache.Instance() as instance:
        group = instance.group("own", load, max_bytes=1 << 20)
        names = [f"key-{n}" for n in range(1000)]
        for n in range(HITS):
            group.get(names[n % 1000])
        for n in range(LOADS):
            group.get(f"once-{n}")
    nodes = [cache.Instance(peers=cache.Peers("oxbridge", secret=b"training")) for _ in range(2)]
    addresses = [node.serve("127.0.0.1:0") for node in nodes]
    groups = [node.group("shared", load, max_bytes=1 << 20) for node in nodes]
    for node in nodes:
        node.set_peers(addresses)
    for n in range(LOADS):
        groups[0].get(f"shared-{n}")
        groups[0].set(f"shared-{n}", b"new")
    for node in nodes:
        node.close()


if __name__ == "__main__":
    main()
