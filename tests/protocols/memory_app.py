"""Small applications for many requests: each path is one way in which an exchange may go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PIECE = b"a piece of a body".ljust(1000, b".")


async def asgi(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Go the way that the path says."""
    if scope["type"] == "websocket":
        await echo(receive, send)
        return
    path = scope["path"]
    if path == "/raises":
        raise RuntimeError("asked for")
    length = 0
    if path == "/upload":
        more = True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            length += len(event["body"])
            more = event["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/waits":
        await asyncio.sleep(0)
    if path in ("/stream", "/endless"):
        for _ in range(3 if path == "/stream" else 1_000_000):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": f"{path} {length}".encode()})


async def echo(receive: Receive, send: Send) -> None:
    """Answer messages with themselves until the client goes."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Go the way that the path says."""
    path = environ["PATH_INFO"]
    if path == "/raises":
        raise RuntimeError("asked for")
    length = len(environ["wsgi.input"].read()) if path == "/upload" else 0
    start_response("200 OK", [])
    if path in ("/stream", "/endless", "/waits"):
        return pieces(1_000_000 if path == "/endless" else 3)
    return [f"{path} {length}".encode()]


def pieces(count: int) -> Iterator[bytes]:
    """Give the body piece by piece."""
    for _ in range(count):
        yield PIECE
