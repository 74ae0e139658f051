"""How an instance takes part in a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import Literal


@dataclass(frozen=True)
class NodeTls:
    """PEM files with which the nodes of an Oxbridge cluster know each other.

    Every node shows its certificate, when it asks and when it answers.
    """

    ca: str | PathLike[str]
    """The certificate of the authority that has signed those of all nodes, or several."""
    cert: str | PathLike[str]
    """This node's certificate, good for the host in its address, and those between it and the
    authority."""
    key: str | PathLike[str]
    """Its private key."""


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
    tls: NodeTls | None = None
    """Certificates for an Oxbridge cluster. Addresses begin with https:// then, and nobody else can
    listen or ask."""
    bounded_load: float | None = None
    """How far above the mean a node of an Oxbridge cluster may be loaded, in requests of this node
    that are under way: with 1.25, by a quarter, but 128 at least. Beyond that, keys are asked of
    the node with the next claim to them, which loads them itself. For groups whose getters give
    what was set; elsewhere a value that was set may be missed meanwhile."""
