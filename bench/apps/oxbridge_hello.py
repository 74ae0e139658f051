"""Handlers in Oxbridge: `oxbridge_hello.py PORT blocking|inline|async`.

One kind of handler for each process, because a server that also has coroutines may take its
turns in another way. `blocking` is what `@route` does unless told otherwise; `inline` is
`blocking=False`.
"""

import sys
import time

from oxbridge import Request, ResponseWriter, route, run

PIECE = bytes(range(256)) * 16
PIECES = 16
NAP = 0.05


def hello(w: ResponseWriter, req: Request) -> None:
    w.write("Hello, world.\n")


def echo(w: ResponseWriter, req: Request) -> None:
    w.write(req.read())


def stream(w: ResponseWriter, req: Request) -> None:
    for _ in range(PIECES):
        w.write(PIECE)


def nap(w: ResponseWriter, req: Request) -> None:
    time.sleep(NAP)
    hello(w, req)


async def hello_async(w: ResponseWriter, req: Request) -> None:
    w.write("Hello, world.\n")


async def nap_async(w: ResponseWriter, req: Request) -> None:
    # Only here: what the others do not need should not count as theirs.
    import asyncio

    await asyncio.sleep(NAP)
    await hello_async(w, req)


port, kind = sys.argv[1:]
if kind == "async":
    route("/{$}", hello_async)
    route("/nap", nap_async)
elif kind == "inline":
    route("/{$}", hello, blocking=False)
else:
    route("/{$}", hello)
    route("POST /echo", echo)
    route("/stream", stream)
    route("/nap", nap)
run(port=port, banner=False)
