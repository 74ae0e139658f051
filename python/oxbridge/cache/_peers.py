"""How an instance takes part in a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Peers:
    """Settings of a cluster; all of them but `me` are the same on every node."""

    dialect: Literal["golang", "mailgun", "groupcache-go", "oxbridge"] = "groupcache-go"
    """Whose protocol and ring it uses: golang/groupcache, which knows no set, delete and expiry,
    mailgun/groupcache (version 2), groupcache/groupcache-go (version 3), where a set tells every
    node, or Oxbridge's own, where a set or delete returns when every node has seen it."""
    me: str | None = None
    """This node's own address, exactly as the lists of the others have it: "host:port" in
    groupcache-go's dialect, "http://host:port" in the others. None: the one that `Instance.serve`
    gives."""
    base_path: str = "/_groupcache/"
    """The path under which every node answers, with a slash at both ends."""
    replicas: int = 50
    """How many places each node has on the ring."""
    timeout: float = 2.0
    """Seconds that a peer may take to answer, its getter included. After that the key is loaded
    here."""
    max_answer: int = 256 << 20
    """The most bytes that a peer's answer may have."""
    secret: bytes | None = field(default=None, repr=False)
    """What the nodes of an Oxbridge cluster know each other by, the same on every node."""
