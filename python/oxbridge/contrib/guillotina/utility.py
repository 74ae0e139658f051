"""Guillotina's cache utility: one cluster instead of a memory of each process and pub/sub."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Iterable
from typing import Any

from guillotina import app_settings

from oxbridge import cache
from oxbridge.contrib.guillotina import values
from oxbridge.contrib.guillotina.deletions import Deletions
from oxbridge.contrib.guillotina.node import Node

logger = logging.getLogger("oxbridge.contrib.guillotina")

# How long a commit waits to learn that what it deleted is gone here; after that it fills nothing.
_PATIENCE = 1.0


class CacheUtility:
    """What is cached, for all processes. What goes wrong is logged, and fails no request."""

    _subscriber = None
    """Guillotina asks whether changes are to be published. They have reached everybody by then."""

    def __init__(self, settings: object = None) -> None:
        self.initialized = False
        self.deletions = Deletions()
        self._node: Node | None = None
        self._group: cache.Group[Any] | None = None
        self._listener: cache.CacheListener | None = None

    async def initialize(self, app: object = None) -> None:
        """Join the cluster.

        Raises:
            OSError: It cannot listen where it is told to.
            ValueError: A setting is wrong.
        """
        if self.initialized:
            return
        self._node = Node(app_settings.get("oxbridge_cache", {}))
        size = app_settings["cache"]["memory_cache_size"]
        self._group = self._node.group("guillotina", values, size)
        self._listener = self._group.listen(self._happened)
        self.initialized = True

    async def finalize(self, app: object = None) -> None:
        """Leave it."""
        self.initialized = False
        if self._listener is not None:
            self._listener.close()
        node, self._node, self._group, self._listener = self._node, None, None, None
        if node is not None:
            await node.instance.aclose()

    async def get(self, key: str) -> Any:
        """Give what is cached for a key; None if nothing is."""
        if self._group is None:
            return None
        try:
            return await self._group.aget(key)
        except cache.NotFound:
            return None
        except Exception:
            logger.warning("Error getting cache value", exc_info=True)
            return None

    async def set(
        self,
        keys: str | list[str],
        value: Any,
        ttl: float | None = None,
        since: int | None = None,
        own: dict[str, int] | None = None,
    ) -> None:
        """Cache a value for one key or several, for `ttl` seconds.

        With `since`, only for those keys that have not been taken out after that moment of
        `deletions`, other than by the caller itself, which `own` tells of: the value may be older.
        """
        if self._group is None:
            return
        if ttl is None:
            ttl = app_settings["cache"].get("ttl", 3600)
        own = own or {}
        wanted = [keys] if isinstance(keys, str) else list(keys)
        if since is not None:
            last = self.deletions.last
            wanted = [key for key in wanted if last(key) <= max(since, own.get(key, since))]
        try:
            await _all(self._group.aset(key, value, ttl) for key in wanted)
        except Exception:
            logger.warning("Error setting cache value", exc_info=True)

    async def delete(self, key: str) -> None:
        """Take a key out, everywhere."""
        await self.delete_all([key])

    async def delete_all(self, keys: Iterable[str]) -> dict[str, int]:
        """Take keys out, everywhere; give the moment at which each was gone here."""
        keys = list(dict.fromkeys(keys))
        if self._group is None or not keys:
            return {}
        loop = asyncio.get_running_loop()
        left = set(keys)
        gone = asyncio.Event()

        def told(key: str) -> None:
            left.discard(key)
            if not left:
                gone.set()

        for key in keys:
            # Whoever is told may be on another thread, and later than this loop lives.
            self.deletions.tell_next(key, functools.partial(_later, loop, told, key))
        try:
            await self._group.adelete_many(keys)
            await asyncio.wait_for(gone.wait(), _PATIENCE)
        except Exception:
            logger.warning("Error deleting cache keys %s", keys, exc_info=True)
            return {}
        return {key: self.deletions.last(key) for key in keys}

    async def clear(self) -> None:
        """Forget everything, everywhere."""
        if self._group is None:
            return
        try:
            await self._group.aclear_everywhere()
        except Exception:
            logger.warning("Error clearing cache", exc_info=True)

    async def invalidate(self, *, data: Any = None, sender: Any = None) -> None:
        """Take out what a message of Guillotina's own kind names: for code that sends such."""
        keys = data.get("keys") if isinstance(data, dict) else None
        if not isinstance(keys, list):
            logger.warning("Invalid message: wanted a dictionary with the list keys, got %r", data)
            return
        await self.delete_all(keys)
        push = data.get("push")
        for key, value in push.items() if isinstance(push, dict) else ():
            await self.set(key, value)

    def ignore_tid(self, tid: object) -> None:
        """Do nothing: a process is not told of its own changes."""

    async def send_invalidation(self, keys_to_publish: list[str], push: Any = None) -> None:
        """Take keys out, everywhere, and put in what `push` says."""
        await self.invalidate(data={"keys": keys_to_publish, "push": push or {}})

    async def get_stats(self) -> dict[str, Any]:
        """Give the numbers of this process."""
        if self._group is None or self._node is None:
            return {}
        return {"address": self._node.address, "group": self._group.stats()}

    def _happened(self, kind: str, key: str | bytes | None, lost: int) -> None:
        if kind in ("deleted", "set") and isinstance(key, str):
            self.deletions.note(key)
        elif kind in ("cleared", "lost"):
            self.deletions.note_all()


async def _all(changes: Iterable[Any]) -> None:
    """Wait for all of them; raise what the first that failed has raised."""
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _later(loop: asyncio.AbstractEventLoop, tell: Any, key: str) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell, key)
