"""An ASGI application whose paths each do one thing that the WebSocket specification speaks of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from asgi_app import answer, asked, noted, told

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

ACCEPT = {"type": "websocket.accept"}


async def send_json(send: Send, value: object) -> None:
    await send({"type": "websocket.send", "text": json.dumps(value)})


async def scope_told(scope: Scope, receive: Receive, send: Send) -> None:
    connect = await receive()
    await send(ACCEPT)
    await send_json(send, {**told(scope), "connect": connect, "is_dict": type(scope) is dict})
    await send({"type": "websocket.close"})


async def accept(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept with a subprotocol and headers."""
    await receive()
    headers = [(b"x-many", b"1"), (b"x-many", b"2"), (b"set-cookie", b"a=b")]
    chosen = scope["subprotocols"][1] if scope["subprotocols"] else None
    await send({**ACCEPT, "subprotocol": chosen, "headers": headers})
    await send({"type": "websocket.close"})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Send back what comes, after the shape of its message."""
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        text, data = message.get("text"), message.get("bytes")
        assert (text is None) != (data is None), message
        if text is not None:
            await send({"type": "websocket.send", "text": text, "bytes": None})
        else:
            await send({"type": "websocket.send", "bytes": data})
    if b"name" in scope["query_string"]:
        await noted[asked(scope)].put([message["type"], message["code"], message.get("reason")])


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def refuse_unheard(scope: Scope, receive: Receive, send: Send) -> None:
    """Close without having received the connect."""
    await send({"type": "websocket.close", "code": 4000, "reason": "never mind"})


async def deny(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send(
        {
            "type": "websocket.http.response.start",
            "status": 401,
            "headers": [(b"www-authenticate", b"Basic"), (b"content-type", b"text/plain")],
        }
    )
    await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"are you?"})


async def close(scope: Scope, receive: Receive, send: Send) -> None:
    """Close with the code of the query, note what the rest is."""
    await receive()
    await send(ACCEPT)
    code = asked(scope, "code")
    message: dict[str, Any] = {"type": "websocket.close", "reason": "so be it: grüße"}
    if code != "none":
        message["code"] = int(code)
    await send(message)
    errors = []
    for late in ({"type": "websocket.send", "text": "late"}, message, ACCEPT):
        try:
            await send(late)
        except Exception as error:
            errors.append(type(error).__name__)
    ended = await asyncio.wait_for(receive(), 20)
    await noted[asked(scope)].put([ended["type"], errors])


async def vanish(scope: Scope, receive: Receive, send: Send) -> None:
    """Note how the client went, and what sending to it does then."""
    await receive()
    await send(ACCEPT)
    message = await receive()
    error = None
    for _ in range(3):
        try:
            await send({"type": "websocket.send", "text": "x" * 100_000})
        except OSError as caught:
            error = type(caught).__name__
    await noted[asked(scope)].put([message["type"], message["code"], error])


async def raises_before(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise RuntimeError("meant to fail before the accept")


async def raises_after(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send(ACCEPT)
    raise RuntimeError("meant to fail after the accept")


async def returns_before(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def returns_after(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send(ACCEPT)


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    """Send until sending waits: how much was that?"""
    await receive()
    await send(ACCEPT)
    sent = 0
    try:
        while sent < 100_000_000:
            message = {"type": "websocket.send", "bytes": b"x" * 65536}
            await asyncio.wait_for(send(message), 0.5)
            sent += 65536
    except TimeoutError:
        pass
    await noted[asked(scope)].put(sent)


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """Receive nothing until told, then count."""
    await receive()
    await send(ACCEPT)
    await asyncio.wait_for(noted[asked(scope) + "-go"].get(), 20)
    count = 0
    while (await receive())["type"] == "websocket.receive":
        count += 1
    await noted[asked(scope)].put(count)


async def both_ways(scope: Scope, receive: Receive, send: Send) -> None:
    """Receive in one task and send in another."""
    await receive()
    await send(ACCEPT)

    async def count() -> int:
        received = 0
        while (await receive())["type"] == "websocket.receive":
            received += 1
        return received

    counting = asyncio.create_task(count())
    for n in range(100):
        await send_json(send, n)
    await noted[asked(scope)].put(await counting)


async def receive_cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    """A receive() that is cancelled while it waits loses no message."""
    await receive()
    await send(ACCEPT)
    try:
        await asyncio.wait_for(receive(), 0.05)
    except TimeoutError:
        await send_json(send, "cancelled")
    await send_json(send, (await receive())["text"])
    await send({"type": "websocket.close"})


BAD_SENDS: dict[str, tuple[bool, dict[str, Any]]] = {
    "send before accept": (False, {"type": "websocket.send", "text": "early"}),
    "accept twice": (True, ACCEPT),
    "neither text nor bytes": (True, {"type": "websocket.send"}),
    "text as bytes": (True, {"type": "websocket.send", "text": b"a"}),
    "bytes as text": (True, {"type": "websocket.send", "bytes": "a"}),
    "an answer's": (True, {"type": "http.response.body"}),
    "unknown": (True, {"type": "websocket.nothing"}),
    "denial after accept": (True, {"type": "websocket.http.response.start", "status": 403}),
}


async def bad_send(scope: Scope, receive: Receive, send: Send) -> None:
    accepted, bad = BAD_SENDS[asked(scope, "case")]
    await receive()
    if accepted:
        await send(ACCEPT)
    try:
        await send(bad)
    except Exception as error:
        await noted[asked(scope)].put(type(error).__name__)
    else:
        await noted[asked(scope)].put(None)


PATHS = {
    "/scope": scope_told,
    "/accept": accept,
    "/echo": echo,
    "/refuse": refuse,
    "/refuse/unheard": refuse_unheard,
    "/deny": deny,
    "/close": close,
    "/vanish": vanish,
    "/raise/before": raises_before,
    "/raise/after": raises_after,
    "/return/before": returns_before,
    "/return/after": returns_after,
    "/flood": flood,
    "/slow": slow,
    "/both-ways": both_ways,
    "/receive-cancelled": receive_cancelled,
    "/bad-send": bad_send,
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """WebSockets by path; over HTTP what was noted."""
    if scope["type"] == "websocket":
        await PATHS.get(scope["path"], scope_told)(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == "/go":
        await noted[asked(scope) + "-go"].put(True)
        await answer(send, True)
    elif scope["type"] == "http":
        await answer(send, await asyncio.wait_for(noted[asked(scope)].get(), 20))
    else:
        raise RuntimeError("knows no lifespan")
