"""This process's part of the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oxbridge import cache
from oxbridge.contrib.guillotina import settings


def absent(key: str) -> Any:
    """Be the getter: what nobody has put in is not there."""
    raise cache.NotFound("it is not in the cache")


class Node:
    """An instance of the cache, among the others."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        checked = settings.read(given)
        self.instance = cache.Instance(peers=checked.peers)
        self.address: str | None = None
        try:
            if checked.bind is not None:
                self.address = self.instance.serve(checked.bind)
                if checked.peers_file is not None:
                    self.instance.follow(file=checked.peers_file)
                elif checked.peers_dns is not None:
                    self.instance.follow(dns=checked.peers_dns)
                else:
                    self.instance.set_peers(checked.addresses or [self.address])
        except BaseException:
            self.instance.close()
            raise

    def group(self, name: str, serializer: Any, max_bytes: int) -> cache.Group[Any]:
        """Make a group that holds what is put in."""
        group: cache.Group[Any] = self.instance.group(
            name, absent, serializer=serializer, max_bytes=max_bytes
        )
        return group
