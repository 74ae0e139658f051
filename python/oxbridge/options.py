"""What can be set on a server, and what each option accepts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypedDict


class Options(TypedDict, total=False):
    """The options of `run`, `Server` and `testing.serve`. Times are in seconds, sizes in bytes."""

    threads: int
    """How many plain handlers may be running, or waiting for something, at the same time. 200."""
    queue: int
    """How many requests may wait for a thread; past it clients get 503 with Retry-After. 1024."""
    max_header_bytes: int
    """Size of a request's head; past it 431. 65536, at least 8192."""
    max_headers: int
    """Header fields in one request; past it 431. 100."""
    max_body: int | None
    """Size of a request's body; past it 413. None, for no limit: handlers stream."""
    header_timeout: float
    """From a request's first byte to the end of its head. 10."""
    body_timeout: float
    """Without a byte of a body that a handler waits for. 30."""
    keep_alive_timeout: float
    """A connection without a request. 75."""
    write_timeout: float
    """A client that takes none of the bytes that are due to it. 60."""
    max_connections: int | None
    """Open connections; past it new ones wait in the listen queue. None, for no limit."""
    h2_max_streams: int
    """Requests at the same time on one HTTP/2 connection. 128."""
    buffer_body: int
    """A body up to this size is read before the handler starts, so that a slow sender holds no
    thread; a larger one streams. 65536; 0 starts every handler at once."""
    shutdown_timeout: float
    """How long requests may take to finish once the server stops; then they are cut. 30."""


SHUTDOWN_TIMEOUT = 30.0

# The least that each whole number may be.
_WHOLE = {
    "threads": 1,
    "queue": 1,
    "max_header_bytes": 8192,
    "max_headers": 1,
    "max_body": 0,
    "max_connections": 1,
    "h2_max_streams": 1,
    "buffer_body": 0,
}
_MAY_BE_NONE = {"max_body", "max_connections"}
# Zero time to shut down is an order to cut; zero anywhere else would cut every client.
_MAY_BE_ZERO = {"shutdown_timeout"}


def checked(options: Mapping[str, object]) -> dict[str, object]:
    """Return the options as they are, once each is known and of the right kind.

    Raises:
        TypeError: An option is unknown, or its value of a wrong type.
        ValueError: Its value is out of range.
    """
    known = Options.__annotations__
    for name, value in options.items():
        if name not in known:
            raise TypeError(f"unknown option {name!r}; the options are {', '.join(sorted(known))}")
        if value is None and name in _MAY_BE_NONE:
            continue
        if name in _WHOLE:
            _check_whole(name, value, _WHOLE[name])
        else:
            seconds(name, value, zero=name in _MAY_BE_ZERO)
    return dict(options)


def seconds(name: str, value: object, *, zero: bool = True) -> float:
    """Return a time as it is, once it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        raise ValueError(f"{name} must be {least} seconds, not {value!r}")
    return value


def _check_whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        also = " or None" if name in _MAY_BE_NONE else ""
        raise TypeError(f"{name} must be a whole number{also}, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
