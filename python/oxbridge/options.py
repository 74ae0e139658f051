"""What can be set on a server, and what each option accepts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from oxbridge._oxbridge import Metrics


class Compression(TypedDict, total=False):
    """How answers are compressed."""

    algorithms: Sequence[str]
    """Of "zstd", "br", "gzip", the most wanted first. All three."""
    min_size: int
    """Smaller answers go as they are. 1024 bytes."""
    zstd_level: int
    """From 1 to 22."""
    brotli_quality: int
    """From 0 to 11."""
    gzip_level: int
    """From 0 to 9."""
    event_streams: bool
    """Whether `text/event-stream` is compressed too."""
    max_streams: int
    """How many answers may be compressed as they stream, at the same time. 256."""


class AccessLog(TypedDict, total=False):
    """Where a line for each request goes; standard output without `fd` and `path`."""

    format: str
    """ "common", "combined", "json", or a format string as `--access-log-format`. "combined"."""
    fd: int
    """A descriptor; it is duplicated."""
    path: str
    """A file, made if it is not there."""


class Options(TypedDict, total=False):
    """The options of `run`, `Server` and `testing.serve`. Times are in seconds, sizes in bytes."""

    threads: int
    """How many plain handlers may be running, or waiting for something, at the same time. 200."""
    queue: int
    """How many requests may wait for a thread; past it clients get 503 with Retry-After. 1024."""
    limit_concurrency: int | None
    """Requests being handled at the same time; past it 503 with Retry-After. None, for no limit."""
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
    compression: bool | Compression | None
    """Whether and how answers are compressed for clients that say they can read it. None: not."""
    static: Mapping[str, str | os.PathLike[str]] | Sequence[tuple[str, str | os.PathLike[str]]]
    """Directories whose files are served below a prefix: {"/static": "public"}."""
    access_log: bool | AccessLog | None
    """Whether and where each request is logged. None: it is not."""
    server_header: str | None
    """The field Server of every answer. None, for none."""
    date_header: bool
    """Whether answers have the field Date. True."""
    headers: Mapping[str, str] | Sequence[tuple[str, str]]
    """Fields of every answer that does not set them itself."""
    forwarded_allow_ips: str | None
    """Proxies whose Forwarded and X-Forwarded-* fields count: addresses and networks with commas
    between, "unix", or "*" for all. None, for nobody."""
    proxy_protocol: bool
    """Whether connections begin with a header of the PROXY protocol, v1 or v2. False."""
    proxy_protocol_from: str | None
    """Who may send that header, as for forwarded_allow_ips; others are refused. None: anybody."""
    metrics: Metrics | None
    """What requests are counted in. None: nothing is."""


SHUTDOWN_TIMEOUT = 30.0

STDOUT = 1

# The least that each whole number may be.
_WHOLE = {
    "threads": 1,
    "queue": 1,
    "limit_concurrency": 1,
    "max_header_bytes": 8192,
    "max_headers": 1,
    "max_body": 0,
    "max_connections": 1,
    "h2_max_streams": 1,
    "buffer_body": 0,
}
_MAY_BE_NONE = {"max_body", "max_connections", "limit_concurrency"}
# Zero time to shut down is an order to cut; zero anywhere else would cut every client.
_MAY_BE_ZERO = {"shutdown_timeout"}

_COMPRESSION = {
    "algorithms": "a list of 'zstd', 'br', 'gzip'",
    "min_size": "a whole number of bytes, 0 or more",
    "zstd_level": "a whole number from 1 to 22",
    "brotli_quality": "a whole number from 0 to 11",
    "gzip_level": "a whole number from 0 to 9",
    "event_streams": "True or False",
    "max_streams": "a whole number, 0 or more",
}
_RANGES = {
    "min_size": (0, math.inf),
    "zstd_level": (1, 22),
    "brotli_quality": (0, 11),
    "gzip_level": (0, 9),
    "max_streams": (0, math.inf),
}


def checked(options: Mapping[str, object]) -> dict[str, object]:
    """Return the options as the server takes them, once each is known and of the right kind.

    Raises:
        TypeError: An option is unknown, or its value of a wrong type.
        ValueError: Its value is out of range.
    """
    known = Options.__annotations__
    for name in options:
        if name not in known:
            raise TypeError(f"unknown option {name!r}; the options are {', '.join(sorted(known))}")
    return {name: _checked(name, value) for name, value in options.items()}


def seconds(name: str, value: object, *, zero: bool = True) -> float:
    """Return a time as it is, once it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        raise ValueError(f"{name} must be {least} seconds, not {value!r}")
    return value


def _checked(name: str, value: object) -> object:
    if value is None and name in _MAY_BE_NONE:
        return value
    if name in _WHOLE:
        return _whole(name, value, _WHOLE[name])
    if name in _KINDS:
        return _KINDS[name](name, value)
    return seconds(name, value, zero=name in _MAY_BE_ZERO)


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        also = " or None" if name in _MAY_BE_NONE else ""
        raise TypeError(f"{name} must be a whole number{also}, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value


def _text(name: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be a str or None, not {value!r}")
    return value


def _metrics(name: str, value: object) -> Metrics | None:
    if value is not None and not isinstance(value, Metrics):
        raise TypeError(f"{name} must be an oxbridge.Metrics or None, not {value!r}")
    return value


def _compression(name: str, value: object) -> dict[str, object] | None:
    if value is None or isinstance(value, bool):
        return {} if value else None
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be True, False, None or a dict, not {value!r}")
    for setting, given in value.items():
        if setting not in _COMPRESSION:
            settings = ", ".join(_COMPRESSION)
            raise TypeError(f"{name} has no setting {setting!r}; the settings are {settings}")
        _check_compression(name, setting, given)
    return dict(value)


def _check_compression(name: str, setting: str, value: Any) -> None:
    wanted = f"{name}: {setting} must be {_COMPRESSION[setting]}, not {value!r}"
    if setting == "event_streams":
        if not isinstance(value, bool):
            raise TypeError(wanted)
    elif setting == "algorithms":
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise TypeError(wanted)
        if not value or not set(value) <= {"zstd", "br", "gzip"}:
            raise ValueError(wanted)
    else:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(wanted)
        least, most = _RANGES[setting]
        if not least <= value <= most:
            raise ValueError(wanted)


def _access_log(name: str, value: object) -> dict[str, object] | None:
    if value is None or isinstance(value, bool):
        return {"format": "combined", "fd": STDOUT} if value else None
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be True, False, None or a dict, not {value!r}")
    if unknown := set(value) - {"format", "fd", "path"}:
        raise TypeError(f"{name} has no setting {unknown.pop()!r}; they are format, fd, path")
    if "fd" in value and "path" in value:
        raise TypeError(f"{name} goes to a descriptor or to a file, not to both")
    log: dict[str, object] = {"format": "combined", **value}
    if "path" in log:
        if not isinstance(log["path"], str | os.PathLike):
            raise TypeError(f"{name}: path must be a path, not {log['path']!r}")
        log["path"] = os.fspath(log["path"])
    else:
        log["fd"] = _whole(f"{name}: fd", log.get("fd", STDOUT), 0)
    if not isinstance(log["format"], str):
        raise TypeError(f"{name}: format must be a str, not {log['format']!r}")
    return log


def _static(name: str, value: object) -> list[tuple[str, str]]:
    pairs = _pairs(name, value, str | os.PathLike, "prefixes and directories")
    for prefix, _ in pairs:
        if not prefix.startswith("/"):
            raise ValueError(f"{name}: the prefix {prefix!r} must begin with a slash")
    return [(prefix, os.fspath(directory)) for prefix, directory in pairs]


def _headers(name: str, value: object) -> list[tuple[str, str]]:
    return _pairs(name, value, str, "names and values")


def _pairs(name: str, value: object, second: Any, what: str) -> list[tuple[str, Any]]:
    """Return a dict, or a list of pairs, as a list of pairs."""
    wrong = f"{name} must be a dict of {what}, or a list of pairs of them, not {value!r}"
    items = value.items() if isinstance(value, Mapping) else value
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise TypeError(wrong)
    pairs = list(items)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(wrong)
        if not isinstance(pair[0], str) or not isinstance(pair[1], second):
            raise TypeError(wrong)
    return [(pair[0], pair[1]) for pair in pairs]


_KINDS: dict[str, Callable[[str, object], object]] = {
    "compression": _compression,
    "static": _static,
    "access_log": _access_log,
    "server_header": _text,
    "date_header": _flag,
    "headers": _headers,
    "forwarded_allow_ips": _text,
    "proxy_protocol": _flag,
    "proxy_protocol_from": _text,
    "metrics": _metrics,
}
