"""Four functions for programs that know no more than get and set, on one group of one instance."""

from __future__ import annotations

import builtins
import os
import threading

from oxbridge._oxbridge import CacheError, Group, NotFound
from oxbridge.cache._instance import Instance
from oxbridge.cache._peers import Peers

_lock = threading.Lock()
_node: tuple[Instance, Group[builtins.bytes]] | None = None


def setup(addr: str) -> None:
    """Start the process's node, which answers golang/groupcache's protocol at `addr` ("host:port").

    Raises:
        OSError: It cannot listen there.
        RuntimeError: It runs already.
    """
    global _node  # noqa: PLW0603
    with _lock:
        if initialized():
            raise RuntimeError("the cache has been set up already")
        # Alone, it owns every key.
        instance = Instance(peers=Peers(dialect="golang", me=f"http://{addr}"))
        try:
            group = instance.group("Cache", _nothing)
            instance.serve(addr)
        except BaseException:
            instance.close()
            raise
        _node = (instance, group)


def initialized() -> bool:
    """Say whether `setup` has been called, in this process."""
    return _node is not None and not _node[0].closed


def get(key: str) -> bytes:
    """Give what was set for a key; b"" if nothing was.

    Raises:
        CacheError: `setup` has not been called.
    """
    try:
        return _group().get(key)
    except NotFound:
        return b""


def set(key: str, value: str | bytes) -> bytes:  # noqa: A001
    """Set the value of a key, which may have one already; give it as it is kept.

    Raises:
        CacheError: `setup` has not been called.
    """
    data = value.encode() if isinstance(value, str) else builtins.bytes(value)
    _group().set(key, data)
    return data


def _group() -> Group[bytes]:
    if _node is None:
        raise CacheError('the cache has not been set up: call setup("host:port") first')
    return _node[1]


def _nothing(key: str) -> bytes:
    raise NotFound(f"nothing was set for {key!r}")


def _forget_lock() -> None:
    """In a forked child, where whoever held the lock is not."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_lock)
