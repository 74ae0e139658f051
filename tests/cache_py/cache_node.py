"""A node in a process of its own, driven as the nodes of tests/cache/go are: lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal

from oxbridge import cache

Dialect = Literal["golang", "mailgun", "groupcache-go", "oxbridge"]
EVERY_BYTE = bytes(range(256))


def load(name: str, key: bytes) -> bytes:
    """What every node's getter gives: the node's name, the key, and every byte there is."""
    if key.startswith(b"missing"):
        raise cache.NotFound("no such thing")
    if key.startswith(b"broken"):
        raise RuntimeError("the getter is broken")
    return name.encode() + b":" + key + b":" + EVERY_BYTE


def secret_of(dialect: Dialect) -> bytes | None:
    """What the nodes of a cluster know each other by, where the dialect has that."""
    return b"of the tests" if dialect == "oxbridge" else None


class Node:
    """The other end: a node's process, as a test sees it."""

    def __init__(self, command: list[str], address: Callable[[str], str] = str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.address = address(self.process.stdout.readline().strip())

    def ask(self, op: str, key: bytes = b"", **more: Any) -> dict[str, Any]:
        """Send a command; give the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"op": op, "key": key.hex(), **more}), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def get(self, key: bytes) -> bytes:
        """Get a value, which must be there."""
        told = self.ask("get", key)
        assert not told.get("error"), told
        return bytes.fromhex(told.get("value", ""))

    def set(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        told = self.ask("set", key, value=value.hex())
        assert not told.get("error"), told

    def remove(self, key: bytes) -> None:
        """Take a key out."""
        told = self.ask("remove", key)
        assert not told.get("error"), told

    def peers(self, addresses: list[str]) -> None:
        """Say who the nodes are."""
        told = self.ask("peers", addresses=addresses)
        assert not told.get("error"), told

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


def python_node(dialect: Dialect) -> Node:
    """Start a node in Python."""
    return Node([sys.executable, __file__, dialect])


def main(dialect: Dialect) -> None:
    """Be a node."""
    instance = cache.Instance(peers=cache.Peers(dialect, timeout=20, secret=secret_of(dialect)))
    address = instance.serve()
    loads = 0

    async def getter(key: bytes) -> bytes:
        nonlocal loads
        loads += 1
        return load("python", key)

    group = instance.group("things", getter, keys="bytes", max_bytes=8 << 20)

    def obey(op: str, key: bytes, asked: dict[str, Any]) -> dict[str, Any]:
        if op == "peers":
            instance.set_peers(asked["addresses"])
        elif op == "get":
            return {"value": group.get(key).hex()}
        elif op == "set":
            group.set(key, bytes.fromhex(asked["value"]))
        elif op == "remove":
            group.delete(key)
        return {}

    print(address, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = obey(asked["op"], bytes.fromhex(asked["key"]), asked)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"loads": loads, **answer}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])  # type: ignore[arg-type]
