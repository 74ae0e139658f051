"""RSGI: the types of what an application gets, under the names that granian gives them.

    from oxbridge.rsgi import HTTPProtocol, Scope

    async def app(scope: Scope, protocol: HTTPProtocol) -> None:
        protocol.response_str(200, [("content-type", "text/plain")], f"Hello from {scope.path}")

The objects themselves are the server's; the classes here describe them, for annotations.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Literal, Protocol

from oxbridge._oxbridge import ProtocolClosed, ProtocolError

__all__ = [
    "HTTPProtocol",
    "HTTPStreamTransport",
    "Headers",
    "ProtocolClosed",
    "ProtocolError",
    "Scope",
    "WebsocketMessage",
    "WebsocketMessageType",
    "WebsocketProtocol",
    "WebsocketTransport",
]


class Headers(Protocol):
    """The header fields of a request: names in lower case, to the first value of each."""

    def __contains__(self, key: object, /) -> bool: ...
    def __getitem__(self, key: str, /) -> str: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...
    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the first value of a name."""

    def get_all(self, key: str) -> list[str]:
        """Return all values of a name, in order."""
        ...

    def keys(self) -> list[str]:
        """Return each name once."""
        ...

    def values(self) -> list[str]:
        """Return the values of all fields."""
        ...

    def items(self) -> list[tuple[str, str]]:
        """Return all fields; a repeated name comes once for each value."""
        ...


class Scope(Protocol):
    """What a client asked for."""

    @property
    def proto(self) -> Literal["http", "ws"]:
        """What the protocol object is: for a request, or for a WebSocket."""
        ...

    @property
    def rsgi_version(self) -> str:
        """The version of RSGI."""
        ...

    @property
    def http_version(self) -> str:
        """The version of HTTP: "1.1", "2"."""
        ...

    @property
    def server(self) -> str:
        """The address that the server listens on."""
        ...

    @property
    def client(self) -> str:
        """The address of the client."""
        ...

    @property
    def scheme(self) -> str:
        """The scheme: "http" or "https"."""
        ...

    @property
    def method(self) -> str:
        """The method."""
        ...

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        ...

    @property
    def query_string(self) -> str:
        """The query, as it was sent."""
        ...

    @property
    def authority(self) -> str | None:
        """The host that the client asked for, where HTTP/2 says it apart."""
        ...

    @property
    def headers(self) -> Headers:
        """The header fields."""
        ...


class HTTPStreamTransport(Protocol):
    """An answer that is sent piece by piece. Sending raises ProtocolClosed once nobody reads."""

    def send_bytes(self, data: bytes) -> Awaitable[None]:
        """Send a piece, and wait until there is room for more."""
        ...

    def send_str(self, data: str) -> Awaitable[None]:
        """Send a piece as UTF-8, and wait until there is room for more."""
        ...


class HTTPProtocol(Protocol):
    """The request's body, and the answer: one of the `response_` methods is called, once."""

    def __call__(self) -> Awaitable[bytes]:
        """Read the whole body."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Read the body in pieces, as they arrive."""
        ...

    def client_disconnect(self) -> Awaitable[None]:
        """Wait until the client has gone."""
        ...

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a body."""
        ...

    def response_str(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        """Answer with text, sent as UTF-8."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer with bytes."""
        ...

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None:
        """Answer with a file."""
        ...

    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int
    ) -> None:
        """Answer with a part of a file, from `start` to before `end`."""
        ...

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> HTTPStreamTransport:
        """Begin an answer that is sent piece by piece; it ends with the application's coroutine."""
        ...


class WebsocketMessageType(enum.IntEnum):
    """What a WebSocket's message is, or whether its end."""

    close = 0
    bytes = 1
    string = 2


class WebsocketMessage(Protocol):
    """What came through a WebSocket."""

    @property
    def kind(self) -> int:
        """One of `WebsocketMessageType`."""
        ...

    @property
    def data(self) -> bytes | str | None:
        """The message; None at the end."""
        ...


class WebsocketTransport(Protocol):
    """An open WebSocket."""

    def receive(self) -> Awaitable[WebsocketMessage]:
        """Wait for the next message, or for the end."""
        ...

    def send_bytes(self, data: bytes) -> Awaitable[None]:
        """Send a binary message. Raises ProtocolClosed after the end."""
        ...

    def send_str(self, data: str) -> Awaitable[None]:
        """Send a text message. Raises ProtocolClosed after the end."""
        ...


class WebsocketProtocol(Protocol):
    """A WebSocket that a client asks for: accepted, or closed."""

    def accept(self) -> Awaitable[WebsocketTransport]:
        """Open it."""
        ...

    def close(self, status: int | None = None) -> None:
        """End it; before `accept`, refuse it with a status of HTTP (403 unless given)."""
        ...
