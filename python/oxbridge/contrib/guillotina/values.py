"""What Guillotina caches, as bytes: records with bytes in them, lists, numbers and text.

No pickle, so that bytes which come over the network are data and no program: JSON, in which bytes
are numbered, and these bytes after it. What Guillotina itself has pickled stays the bytes that it
is.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

# The name stands in no record: Guillotina's columns are words.
_BYTES = "$bytes"
_LENGTH = struct.Struct(">I")


def dumps(value: Any) -> bytes:
    """Write a value.

    Raises:
        TypeError: It holds something else.
    """
    pieces: list[bytes] = []

    def plain(part: Any) -> Any:
        if isinstance(part, bytes | bytearray | memoryview):
            pieces.append(bytes(part))
            return {_BYTES: len(pieces[-1])}
        if part is None or isinstance(part, bool | int | float | str):
            return part
        if isinstance(part, list | tuple):
            return [plain(item) for item in part]
        # A database's record is a mapping in all but name.
        if isinstance(part, Mapping) or hasattr(part, "keys"):
            names = list(part.keys())
            if any(not isinstance(name, str) or name == _BYTES for name in names):
                raise TypeError(f"a record with the names {names!r} cannot be cached")
            return {name: plain(part[name]) for name in names}
        raise TypeError(f"a {type(part).__qualname__} cannot be cached")

    head = json.dumps(plain(value), separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(head)), head, *pieces))


def loads(data: bytes) -> Any:
    """Read a value.

    Raises:
        ValueError: It is none.
    """
    if len(data) < _LENGTH.size:
        raise ValueError(f"{len(data)} bytes are no cached value")
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    at = end

    def read(part: dict[str, Any]) -> Any:
        nonlocal at
        length = part.get(_BYTES)
        if length is None or len(part) != 1:
            return part
        if not isinstance(length, int) or not 0 <= length <= len(data) - at:
            raise ValueError(f"a cached value ends before its {length!r} bytes")
        at += length
        return data[at - length : at]

    return json.loads(data[_LENGTH.size : end], object_hook=read)
