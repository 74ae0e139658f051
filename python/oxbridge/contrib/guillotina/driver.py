"""A driver for Guillotina's own cache and pub/sub utilities.

    applications: ["guillotina.contrib.pubsub", "guillotina.contrib.cache"]
    cache: {driver: oxbridge.contrib.guillotina.driver, updates_channel: guillotina}
    load_utilities:
      guillotina_pubsub:
        provides: guillotina.interfaces.IPubSubUtility
        factory: guillotina.contrib.pubsub.utility.PubSubUtility
        settings: {driver: oxbridge.contrib.guillotina.driver}

For sites that must keep these. They have a memory of their own in front of this one, learn of
changes a little later than the commit returns, and unpickle what they are sent; the application
`oxbridge.contrib.guillotina` does none of that.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from typing import Any

from guillotina import app_settings

from oxbridge import cache
from oxbridge.contrib.guillotina.node import Node

logger = logging.getLogger("oxbridge.contrib.guillotina")

# How long a message waits for the others to fetch it, in seconds.
_MESSAGE_TTL = 60.0
_MESSAGES = 32 << 20

_driver: Driver | None = None


async def get_driver() -> Driver:
    """Give this process's driver, initialised."""
    global _driver  # noqa: PLW0603
    if _driver is None:
        _driver = Driver()
    if not _driver.initialized:
        await _driver.initialize(asyncio.get_running_loop())
    return _driver


class Driver:
    """Keys with bytes, and channels, shared by all processes."""

    def __init__(self) -> None:
        self.initialized = False
        self._node: Node | None = None
        self._values: cache.Group[bytes] | None = None
        self._messages: cache.Group[bytes] | None = None
        self._channels: dict[str, asyncio.Queue[str | None]] = {}
        self._listener: cache.CacheListener | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def initialize(self, loop: asyncio.AbstractEventLoop) -> None:
        """Join the cluster. Messages are delivered on `loop`.

        Raises:
            OSError: It cannot listen where it is told to.
            ValueError: A setting is wrong.
        """
        if self.initialized:
            return
        self._node = Node(app_settings.get("oxbridge_cache", {}))
        size = app_settings.get("cache", {}).get("memory_cache_size", 200 << 20)
        self._values = self._node.group("guillotina", "bytes", size)
        self._messages = self._node.group("guillotina-messages", "bytes", _MESSAGES)
        self._loop = loop
        self._listener = self._messages.listen(self._happened)
        self.initialized = True

    async def finalize(self) -> None:
        """Leave the cluster."""
        self.initialized = False
        for channel in list(self._channels):
            await self.unsubscribe(channel)
        if self._listener is not None:
            self._listener.close()
        node, self._node, self._listener = self._node, None, None
        self._values = self._messages = None
        if node is not None:
            await node.instance.aclose()

    async def info(self) -> dict[str, Any]:
        """Give the numbers of this process."""
        return {} if self._node is None else dict(self._node.instance.stats())

    async def set(self, key: str, data: str | bytes, *, expire: float | None = None) -> None:
        """Set a key, for `expire` seconds or for good."""
        value = data.encode() if isinstance(data, str) else data
        await self._used(self._values).aset(key, value, expire)

    async def get(self, key: str) -> bytes | None:
        """Give what a key has; None if nothing."""
        try:
            return await self._used(self._values).aget(key)
        except cache.NotFound:
            return None

    async def expire(self, key: str, expire: float) -> None:
        """Let a key have what it has for so many seconds from now."""
        value = await self.get(key)
        if value is not None:
            await self.set(key, value, expire=expire)

    async def delete(self, key: str) -> None:
        """Take a key out, everywhere."""
        await self._used(self._values).adelete(key)

    async def delete_all(self, keys: list[str]) -> None:
        """Take keys out, everywhere. What goes wrong is logged."""
        try:
            await self._used(self._values).adelete_many(keys)
        except cache.CacheError:
            logger.warning("Error deleting cache keys %s", keys, exc_info=True)

    async def flushall(self, *, async_op: bool = False) -> None:
        """Forget everything, everywhere."""
        await self._used(self._values).aclear_everywhere()

    async def publish(self, channel_name: str, data: str | bytes) -> None:
        """Send a message to all who have subscribed, in this process too.

        It is a value that each of them fetches when it learns that there is one.
        """
        value = data.encode() if isinstance(data, str) else data
        key = f"{channel_name}/{uuid.uuid4().hex}"
        await self._used(self._messages).aset(key, value, _MESSAGE_TTL)

    async def subscribe(self, channel_name: str) -> AsyncIterator[bytes]:
        """Give what is published from now on, until `unsubscribe`."""
        queue = self._channels.setdefault(channel_name, asyncio.Queue())
        return self._fetch(queue, self._used(self._messages))

    async def unsubscribe(self, channel_name: str) -> None:
        """End a subscription."""
        queue = self._channels.pop(channel_name, None)
        if queue is not None:
            queue.put_nowait(None)

    async def _fetch(
        self, queue: asyncio.Queue[str | None], messages: cache.Group[bytes]
    ) -> AsyncIterator[bytes]:
        while (key := await queue.get()) is not None:
            try:
                yield await messages.aget(key)
            except cache.CacheClosed:
                return
            except cache.CacheError:
                logger.warning("A message was lost: %s", key, exc_info=True)

    def _happened(self, kind: str, key: str | bytes | None, lost: int) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if kind == "lost":
            logger.warning("%d messages may have been lost", lost)
        # The owner of the key is told that it was set, the others that what they had is old.
        elif kind in ("set", "deleted") and isinstance(key, str):
            loop.call_soon_threadsafe(self._deliver, key)

    def _deliver(self, key: str) -> None:
        queue = self._channels.get(key.rpartition("/")[0])
        if queue is not None:
            queue.put_nowait(key)

    @staticmethod
    def _used(group: cache.Group[bytes] | None) -> cache.Group[bytes]:
        if group is None:
            raise RuntimeError("the driver is not initialised, or has been finalised")
        return group
