"""The start line: what serves what where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from oxbridge._cli.interface import label

if TYPE_CHECKING:
    from oxbridge.config import Config


def start_line(config: Config, name: str, interface: str | None, addresses: Sequence[str]) -> str:
    """Say it: "Serving main:app (ASGI) on http://127.0.0.1:8000 (4 workers, HTTP/1.1 and HTTP/2)".

    Behind every address is a space or the end, so that terminals and scripts find it.

    Args:
        config: How the application is served.
        name: What the application is called.
        interface: Its interface: asgi, wsgi, rsgi or mux; None where it is not known.
        addresses: Where the server listens: "127.0.0.1:8000", "unix:/run/app.sock".
    """
    each = "threads" if config.in_threads else "workers"
    workers = f"{config.workers} {each}, " if config.workers > 1 else ""
    where = " and ".join(places(addresses, secure=config.ssl_certfile is not None))
    spoken = f" ({label(interface)})" if interface else ""
    return f"Serving {name}{spoken} on {where} ({workers}HTTP/1.1 and HTTP/2)"


def places(addresses: Iterable[str], *, secure: bool) -> list[str]:
    """Every address in a form that can be tried."""
    scheme = "https" if secure else "http"
    found = []
    for address in addresses:
        if address.startswith("unix:") or "://" in address:
            found.append(address)
        elif address.startswith(("0.0.0.0:", "[::]:")):
            # Nobody can connect to "every interface": the loopback address stands for it.
            port = address.rpartition(":")[2]
            found.append(f"{scheme}://127.0.0.1:{port} (every interface)")
        else:
            found.append(f"{scheme}://{address}")
    return found
