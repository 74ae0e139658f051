"""How a coroutine handler waits for its client: for a body to arrive, for room to write.

The methods `aread`, `awrite`, `aflush` of `Request` and `ResponseWriter`, and `async for` over a
request, are these functions.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from oxbridge._oxbridge import Request, ResponseWriter

T = TypeVar("T")

# How much `async for` hands over at once, and how much `awrite` queues before it looks for room.
CHUNK = 64 << 10


async def aread(req: Request, n: int = -1) -> bytes:
    """Read at most `n` bytes of the body, at least one; b"" at the end. All of it if n is negative.

    Raises:
        BadBody: The body is malformed.
        BodyTooLarge: It is longer than the option max_body.
        ClientGone: The client left before its end.
    """
    if n >= 0:
        return await _until(lambda wake: req.poll_read(wake, n)) if n else b""
    return b"".join([chunk async for chunk in achunks(req)])


async def achunks(req: Request) -> AsyncIterator[bytes]:
    """Give the body in pieces, as they arrive. Raises what `aread` raises."""
    while chunk := await aread(req, CHUNK):
        yield chunk


async def awrite(w: ResponseWriter, data: str | bytes | bytearray | memoryview) -> int:
    """Write, once the client has taken enough of what came before; return how many bytes it was.

    Raises:
        ClientGone: The client has left.
        ResponseEnded: The response has ended.
    """
    if len(data) <= CHUNK:
        await _room(w)
        return w.write(data)
    view = memoryview(data.encode() if isinstance(data, str) else data).cast("B")
    for start in range(0, len(view), CHUNK):
        await _room(w)
        w.write(view[start : start + CHUNK])
    return len(view)


async def aflush(w: ResponseWriter) -> None:
    """Send what has been written, and wait until there is room for more. Raises as `awrite`."""
    w.flush()
    await _room(w)


async def _room(w: ResponseWriter) -> None:
    await _until(lambda wake: w.poll_room(wake) or None)


async def _until(poll: Callable[[Callable[[], None]], T | None]) -> T:
    """Poll, and wait between polls for the call that each unsuccessful one has asked for."""
    loop = asyncio.get_running_loop()
    while True:
        ready = loop.create_future()
        result = poll(functools.partial(_wake, loop, ready))
        if result is not None:
            return result
        await ready


def _wake(loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> None:
    """End a wait, from any thread."""
    if asyncio._get_running_loop() is loop:
        _resolve(ready)
        return
    # RuntimeError: the loop has closed, and nobody waits.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_resolve, ready)


def _resolve(ready: asyncio.Future[None]) -> None:
    # The handler may have been cancelled meanwhile.
    if not ready.done():
        ready.set_result(None)
