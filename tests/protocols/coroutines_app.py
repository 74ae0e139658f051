"""Coroutine handlers for test_coroutines.py; `coroutines_app.py plain` has a plain one, too."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading

from oxbridge import ClientGone, Request, ResponseWriter, route, run

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="unset")
gone = asyncio.Event()
meeting: list[asyncio.Event] = []


@route("/hello")
async def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello")


@route("/where")
async def where(w: ResponseWriter, req: Request) -> None:
    task = asyncio.current_task()
    before = name.get()
    name.set(req.path)
    child = await asyncio.create_task(asyncio.to_thread(name.get))
    same = asyncio.current_task() is task and task is not None
    w.json([threading.current_thread().name, same, before, child])


@route("/meet")
async def meet(w: ResponseWriter, req: Request) -> None:
    """Answer once two are here."""
    meeting.append(event := asyncio.Event())
    if len(meeting) == 2:
        for each in meeting:
            each.set()
        meeting.clear()
    await event.wait()
    w.write("met")


@route("POST /pieces")
async def pieces(w: ResponseWriter, req: Request) -> None:
    async for piece in req:
        await w.awrite(piece)
        await w.aflush()


@route("/wrong")
async def wrong(w: ResponseWriter, req: Request) -> None:
    if req.query.get("later"):
        await asyncio.sleep(0)
    raise ValueError("on purpose")


@route("/endless")
async def endless(w: ResponseWriter, req: Request) -> None:
    try:
        while True:
            await w.awrite(bytes(65536))
    except ClientGone:
        gone.set()
        raise


@route("/gone")
async def told(w: ResponseWriter, req: Request) -> None:
    """Answer once a client of /endless has left."""
    await gone.wait()
    w.write("gone")


@route("/slow")
async def slow(w: ResponseWriter, req: Request) -> None:
    w.write("begun ")
    await w.aflush()
    await asyncio.sleep(0.3)
    w.write("ended")


@route("/ping", blocking=False)
def ping(w: ResponseWriter, req: Request) -> None:
    w.write("pong")


if "plain" in sys.argv:

    @route("/plain")
    def plain(w: ResponseWriter, req: Request) -> None:
        w.write("plain")


if __name__ == "__main__":
    run(port=0)
