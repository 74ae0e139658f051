"""ASGI without a framework: what is asked of every ASGI server of the table."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HELLO = b"Hello, world.\n"
PIECE = bytes(range(256)) * 16
PIECES = 16
BLOCK = bytes(range(256)) * 256
"""What a download repeats: 64 KiB."""

TEXT = (b"content-type", b"text/plain; charset=utf-8")
BINARY = (b"content-type", b"application/octet-stream")

# Between two events that nobody may be there to read, in seconds.
EVENT_PAUSE = 0.05
NAP = 0.05
"""How long `/nap` sleeps, in seconds."""

at_work: set[int] = set()
"""Scopes of the calls under way."""


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer HTTP, echo on WebSockets, and take part in lifespan."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    at_work.add(id(scope))
    try:
        await (websocket if scope["type"] == "websocket" else http)(scope, receive, send)
    finally:
        at_work.discard(id(scope))


async def http(scope: Message, receive: Receive, send: Send) -> None:
    """Answer `/`, `/echo` (POST), `/stream`, `/download/BLOCKS`, `/events`, `/nap` and others."""
    path: str = scope["path"]
    if path == "/":
        await answer(send, HELLO, TEXT)
    elif path == "/echo":
        message = await receive()
        body: bytes = message.get("body", b"")
        # As frameworks do it: most bodies come whole, and joining is for those that do not.
        if message.get("more_body", False):
            parts = [body]
            while message.get("more_body", False):
                message = await receive()
                parts.append(message.get("body", b""))
            body = b"".join(parts)
        await answer(send, body, BINARY)
    elif path == "/stream":
        await pieces(send, PIECE, PIECES)
    elif path.startswith("/download/"):
        await pieces(send, BLOCK, int(path.removeprefix("/download/")))
    elif path == "/events":
        await events(receive, send)
    elif path == "/admin":
        await answer(send, json.dumps(state()).encode(), TEXT)
    elif path == "/pid":
        await answer(send, str(os.getpid()).encode(), TEXT)
    elif path == "/nap":
        await asyncio.sleep(NAP)
        await answer(send, HELLO, TEXT)
    elif path == "/slow":
        await asyncio.sleep(EVENT_PAUSE)
        await answer(send, str(os.getpid()).encode(), TEXT)
    else:
        await answer(send, b"", TEXT, status=404)


async def answer(send: Send, body: bytes, kind: tuple[bytes, bytes], status: int = 200) -> None:
    """Send a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [kind, length]})
    await send({"type": "http.response.body", "body": body})


async def pieces(send: Send, piece: bytes, count: int) -> None:
    """Send the same piece several times, without a length, as fast as the server takes it."""
    await send({"type": "http.response.start", "status": 200, "headers": [BINARY]})
    for _ in range(count):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def events(receive: Receive, send: Send) -> None:
    """Server-sent events, until the server says that the client has gone, or a send fails."""
    kind = (b"content-type", b"text/event-stream")
    await send({"type": "http.response.start", "status": 200, "headers": [kind]})

    async def tell() -> None:
        while True:
            await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})
            await asyncio.sleep(EVENT_PAUSE)

    telling = asyncio.ensure_future(tell())
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def websocket(scope: Message, receive: Receive, send: Send) -> None:
    """Echo text and bytes until the client closes or has gone."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return
        text = message.get("text")
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


async def lifespan(receive: Receive, send: Send) -> None:
    """Start and stop without anything to do."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def state() -> dict[str, int]:
    """What a client that vanished could have left behind. This request itself counts once."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return {
        "pid": os.getpid(),
        "tasks": len(asyncio.all_tasks()),
        "calls": len(at_work),
        # The descriptor that lists them is among them.
        "descriptors": len(os.listdir("/proc/self/fd")) - 1,
        "rss": int(kib) * 1024,
    }
