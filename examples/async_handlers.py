"""Coroutines as handlers, beside plain functions.

Start it:

    python examples/async_handlers.py

Try it:

    curl http://127.0.0.1:5000/
    curl 'http://127.0.0.1:5000/gather?n=10'
    curl -N http://127.0.0.1:5000/countdown
    curl -T some-large-file http://127.0.0.1:5000/length
"""

import asyncio
import os
import time

from oxbridge import Request, ResponseWriter, route, run


@route("GET /{$}")
def plain(w: ResponseWriter, req: Request) -> None:
    """A plain function runs on a thread and may block."""
    time.sleep(0.01)
    w.write("Hello from a thread.\n")


@route("GET /gather")
async def gather(w: ResponseWriter, req: Request) -> None:
    """A coroutine can wait for many things at the same time, and must not block."""

    async def square(number: int) -> int:
        await asyncio.sleep(0.1)
        return number * number

    count = min(int(req.query.get("n", "5")), 1000)
    began = time.monotonic()
    squares = await asyncio.gather(*(square(number) for number in range(count)))
    w.json({"squares": squares, "seconds": round(time.monotonic() - began, 3)})


@route("GET /countdown")
async def countdown(w: ResponseWriter, req: Request) -> None:
    """`awrite` waits until the client has taken what was written before; `aflush` sends now."""
    for number in range(5, 0, -1):
        await w.awrite(f"{number}\n")
        await w.aflush()
        await asyncio.sleep(0.2)
    await w.awrite("Liftoff!\n")


@route("PUT /length")
async def length(w: ResponseWriter, req: Request) -> None:
    """The body in pieces, as they arrive."""
    total = 0
    async for piece in req:
        total += len(piece)
    w.json({"bytes": total})


if __name__ == "__main__":
    run(host=os.environ.get("HOST", "127.0.0.1"), port=os.environ.get("PORT", "5000"))
