"""What `oxbridge_cache` says in Guillotina's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oxbridge import cache

_KNOWN = {
    "bind": "where the other processes reach this one, as host:port",
    "me": "this process's address as the others have it, if it is not http:// or https:// and bind",
    "peers": "a list of the addresses of all processes, this one included",
    "peers_file": "a file with an address on each line",
    "peers_dns": "a name and a port, each of whose addresses is a process",
    "secret": "what the processes know each other by",
    "tls": "PEM files: ca, cert and key",
    "timeout": "seconds that another process may take",
}


@dataclass(frozen=True)
class Settings:
    """Checked settings of a node."""

    bind: str | None = None
    peers: cache.Peers | None = None
    addresses: list[str] | None = None
    peers_file: str | None = None
    peers_dns: str | None = None


def read(given: Mapping[str, Any]) -> Settings:
    """Check the settings.

    Raises:
        ValueError: One of them is unknown, or is not what is wanted, or one is missing.
    """
    for name in given:
        if name not in _KNOWN:
            known = ", ".join(sorted(_KNOWN))
            raise ValueError(f"oxbridge_cache has no setting {name!r}; there are: {known}")
    bind = _text(given, "bind")
    sources = [name for name in ("peers", "peers_file", "peers_dns") if given.get(name)]
    if bind is None:
        if others := sorted(set(given) - {"bind"}):
            raise ValueError(
                f"oxbridge_cache.bind is missing ({_KNOWN['bind']}), without which there are no "
                f"other processes and {', '.join(others)} would mean nothing"
            )
        return Settings()
    if len(sources) > 1:
        raise ValueError(f"oxbridge_cache wants one of {' and '.join(sources)}")
    tls = _tls(given.get("tls"))
    secret = _text(given, "secret")
    if secret is None and tls is None:
        raise ValueError(
            "oxbridge_cache wants a secret, or tls: whoever reaches the port could put objects of "
            "his own into the cache, and Guillotina unpickles them"
        )
    timeout = given.get("timeout", 2.0)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
        raise ValueError(f"oxbridge_cache.timeout is {timeout!r}; wanted seconds, more than 0")
    peers = cache.Peers(
        "oxbridge",
        me=_text(given, "me"),
        secret=None if secret is None else secret.encode(),
        tls=tls,
        timeout=timeout,
    )
    addresses = given.get("peers") or None
    if addresses is not None and not (
        isinstance(addresses, list) and all(isinstance(address, str) for address in addresses)
    ):
        raise ValueError(f"oxbridge_cache.peers is {addresses!r}; wanted {_KNOWN['peers']}")
    return Settings(bind, peers, addresses, _text(given, "peers_file"), _text(given, "peers_dns"))


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise ValueError(f"oxbridge_cache.{name} is {value!r}; wanted {_KNOWN[name]}")


def _tls(given: Any) -> cache.NodeTls | None:
    if given is None:
        return None
    if not isinstance(given, Mapping) or set(given) != {"ca", "cert", "key"}:
        raise ValueError(f"oxbridge_cache.tls is {given!r}; wanted {_KNOWN['tls']}")
    return cache.NodeTls(**given)
