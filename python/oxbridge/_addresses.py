"""Addresses of servers: as they are given, and as people are told of them."""

from __future__ import annotations

from collections.abc import Iterable

from oxbridge._oxbridge import Core


def places(core: Core) -> list[str]:
    """Every address in a form that can be tried."""
    addresses = core.addresses
    # None without a TCP address, and then no scheme is asked for.
    scheme = (core.url or "").partition(":")[0]
    places = [a if a.startswith("unix:") else f"{scheme}://{a}" for a in addresses]
    for number, address in enumerate(addresses):
        # Nobody can connect to "every interface": the URL has the loopback address in its stead.
        if address.startswith(("0.0.0.0:", "[::]:")):
            loopback = f"{scheme}://127.0.0.1:{address.rpartition(':')[2]}"
            places[number] = f"{loopback} (and every other interface)"
    return places


def joined(host: str, port: int | str) -> str:
    """Join host and port into one address."""
    if not isinstance(host, str):
        raise TypeError(f"host must be a str, not {host!r}")
    if isinstance(port, str) and port.isascii() and port.isdigit():
        port = int(port)
    if isinstance(port, bool) or not isinstance(port, int):
        kind = ValueError if isinstance(port, str) else TypeError
        raise kind(f"port must be a number from 0 to 65535, not {port!r}")
    if not 0 <= port <= 65535:
        raise ValueError(f"port must be a number from 0 to 65535, not {port}")
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def listed(bind: str | Iterable[str]) -> list[str]:
    """Take one address or several."""
    addresses = [bind] if isinstance(bind, str) else list(bind)
    if not addresses:
        raise ValueError("bind must name at least one address")
    for address in addresses:
        if not isinstance(address, str):
            raise TypeError(f"bind must hold addresses such as '127.0.0.1:80', not {address!r}")
    return addresses
