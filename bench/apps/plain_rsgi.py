"""RSGI without a framework: what is asked of every RSGI server of the table."""

from __future__ import annotations

from typing import Any

HELLO = "Hello, world.\n"
TEXT = [("content-type", "text/plain; charset=utf-8")]
BINARY = [("content-type", "application/octet-stream")]


async def app(scope: Any, protocol: Any) -> None:
    """Answer `/` and `/echo` (POST), and echo on WebSockets."""
    if scope.proto != "http":
        await echo(await protocol.accept())
    elif scope.path == "/":
        protocol.response_str(200, TEXT, HELLO)
    elif scope.path == "/echo":
        protocol.response_bytes(200, BINARY, await protocol())
    else:
        protocol.response_empty(404, [])


async def echo(transport: Any) -> None:
    """Send each message back. Kinds are 0 for the end, 1 for bytes and 2 for text."""
    while True:
        message = await transport.receive()
        if message.kind == 0:
            return
        if message.kind == 1:
            await transport.send_bytes(message.data)
        else:
            await transport.send_str(message.data)
