"""How a transaction uses the cache: Guillotina's own strategy, which puts nothing old back."""

from __future__ import annotations

from typing import Any

from guillotina import configure
from guillotina.contrib.cache.strategy import BasicCache
from guillotina.db.interfaces import ITransaction, ITransactionCache

from oxbridge.contrib.guillotina.utility import CacheUtility


@configure.adapter(for_=ITransaction, provides=ITransactionCache, name="oxbridge")
class SnapshotCache(BasicCache):
    """The cache of one transaction.

    A transaction reads the database as it was when it began. What another one has committed since,
    and so has taken out of the cache, this one must not put back as it was before.
    """

    def __init__(self, transaction: Any) -> None:
        super().__init__(transaction)
        utility = self._utility
        self._shared = utility if isinstance(utility, CacheUtility) else None
        self._since = 0 if self._shared is None else self._shared.deletions.now
        self._own: dict[str, int] = {}

    async def set(  # type: ignore[override, unused-ignore]
        self, value: Any, keyset: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> None:
        """Cache what was read, or committed."""
        if self._shared is None:
            await super().set(value, keyset, **kwargs)
            return
        keys = [self.get_key(**options) for options in ([kwargs] if keyset is None else keyset)]
        await self._shared.set(keys, value, since=self._since, own=self._own)
        self._stored += 1

    async def delete(self, key: str) -> None:
        """Take a key out."""
        await self.delete_all([key])

    async def delete_all(self, keys: list[str]) -> None:
        """Take keys out; what is committed with them may take their place."""
        if self._shared is None:
            await super().delete_all(keys)
            return
        self._own.update(await self._shared.delete_all(keys))
