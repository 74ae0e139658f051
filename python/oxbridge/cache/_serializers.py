"""How values become bytes, which memory is counted in and which go to other nodes."""

from __future__ import annotations

import json
from typing import Any, Protocol, TypeVar

V = TypeVar("V")


class Serializer(Protocol[V]):
    """Anything with these two: a class of your own, or a module such as `marshal`."""

    def dumps(self, value: V, /) -> bytes:
        """Make bytes of a value."""

    def loads(self, data: bytes, /) -> V:
        """Make a value of what `dumps` gave, here or on another node."""


class Json:
    """JSON in UTF-8, without white space."""

    def dumps(self, value: Any, /) -> bytes:
        """Write a value as JSON. Raises TypeError or ValueError if JSON has no such thing."""
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()

    def loads(self, data: bytes, /) -> Any:
        """Read JSON. Raises ValueError if it is none."""
        return json.loads(data)


def resolve(serializer: Any) -> Any:
    """Give what the extension module takes: "bytes", "str", or an object with dumps and loads."""
    if serializer == "json":
        return Json()
    if isinstance(serializer, str):
        return serializer  # it knows the names
    for name in ("dumps", "loads"):
        if not callable(getattr(serializer, name, None)):
            raise TypeError(
                f"the serializer {serializer!r} has no function {name}; wanted "
                '"bytes", "str", "json" or an object with dumps and loads'
            )
    return serializer
