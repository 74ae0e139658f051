"""An ASGI application whose paths each do one thing that the specification speaks of."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json")],
}

held = asyncio.Barrier(51)
noted: defaultdict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
"""What other requests did, under the names in their queries."""

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def answer(send: Send, value: object) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


def asked(scope: Scope, name: str = "name") -> str:
    return parse_qs(scope["query_string"].decode())[name][0]


async def collect(receive: Receive) -> bytes:
    """Receive the whole body."""
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def told(value: Any) -> Any:
    """Write out a value with the types that JSON would lose."""
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, dict):
        return {str(key): told(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(inner) for inner in value]
    if value is None or isinstance(value, (str, int, bool, float)):
        return value
    return {"object": type(value).__name__}


async def scope_told(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, {**told(scope), "is_dict": type(scope) is dict})


async def note(scope: Scope, receive: Receive, send: Send) -> None:
    """Wait for what another request of that name noted."""
    await answer(send, await asyncio.wait_for(noted[asked(scope)].get(), 20))


async def body(scope: Scope, receive: Receive, send: Send) -> None:
    messages = []
    while not messages or messages[-1].get("more_body", False):
        messages.append(await receive())
    data = b"".join(message.get("body", b"") for message in messages)
    kinds = sorted({message["type"] for message in messages})
    await answer(send, {"size": len(data), "kinds": kinds, "first": data[:20].decode("latin-1")})


async def body_held(scope: Scope, receive: Receive, send: Send) -> None:
    """Take one message, note it, and let go of the rest when the client says so."""
    first = await receive()
    await noted[asked(scope)].put(len(first["body"]))
    await asyncio.wait_for(noted[asked(scope) + "-go"].get(), 20)
    rest = 0
    while first.get("more_body", False):
        first = await receive()
        rest += len(first["body"])
    await answer(send, rest)


async def go(scope: Scope, receive: Receive, send: Send) -> None:
    await noted[asked(scope) + "-go"].put(True)
    await answer(send, True)


async def after_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    """After the body's end receive() waits: for the client to leave, or for the answer's end."""
    await collect(receive)
    waiting = asyncio.create_task(receive())
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    await answer(send, {"waits": not done})
    message = await asyncio.wait_for(waiting, 20)
    await noted[asked(scope)].put([message["type"], (await receive())["type"]])


async def left(scope: Scope, receive: Receive, send: Send) -> None:
    """The client leaves before it has an answer."""
    await collect(receive)
    await noted[asked(scope)].put("ready")
    message = await asyncio.wait_for(receive(), 20)
    errors = []
    for event in (START, {"type": "http.response.body", "body": b"x" * 100_000}):
        try:
            await send(event)
        except Exception as error:
            errors.append([type(error).__name__, isinstance(error, OSError)])
    again = (await receive())["type"]
    await noted[asked(scope)].put([message["type"], again, errors])


async def left_midway(scope: Scope, receive: Receive, send: Send) -> None:
    """The client leaves while the answer is streamed; nobody calls receive()."""
    await send(START)
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    except OSError as error:
        await noted[asked(scope)].put(type(error).__mro__[-4:][0].__name__)
        raise


async def unread(scope: Scope, receive: Receive, send: Send) -> None:
    """Stream a hundred megabytes to a client that does not read: how much goes before it waits?"""
    await send(START)
    sent = 0
    piece = {"type": "http.response.body", "body": b"x" * 65536, "more_body": True}
    try:
        while sent < 100_000_000:
            await asyncio.wait_for(send(piece), 0.5)
            sent += 65536
    except TimeoutError:
        pass
    await noted[asked(scope)].put(sent)


async def pieces(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    for piece in (b"a", b"", b"b" * 100_000, b""):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def on_demand(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
    await asyncio.wait_for(noted[asked(scope) + "-go"].get(), 20)
    await send({"type": "http.response.body", "body": b"second\n"})


async def headers(scope: Scope, receive: Receive, send: Send) -> None:
    fields = [(b"x-many", b"1"), (b"x-many", b"2"), (b"X-Upper", b"caf\xe9"), [b"x-list", b""]]
    await send({"type": "http.response.start", "status": 200, "headers": iter(fields)})
    await send({"type": "http.response.body", "body": b"headers"})


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Only what must be there: no headers, no body."""
    await send({"type": "http.response.start", "status": 201})
    await send({"type": "http.response.body"})


async def declared(scope: Scope, receive: Receive, send: Send) -> None:
    """Declare five bytes and send another number; note whether send() raised."""
    length = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": b"x" * int(asked(scope, "size"))})


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("meant to fail before")


async def raises_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise RuntimeError("meant to fail midway")


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    """Return without an answer."""


async def returns_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})


BODY = {"type": "http.response.body", "body": b""}
BAD_SENDS: dict[str, list[dict[str, Any]]] = {
    "body first": [BODY],
    "start twice": [START, START],
    "body after the end": [START, BODY, BODY],
    "start after the end": [START, BODY, START],
    "no type": [{}],
    "unknown type": [{"type": "http.response.nothing"}],
    "a websocket's": [{"type": "websocket.accept"}],
    "status missing": [{"type": "http.response.start"}],
    "status a str": [{"type": "http.response.start", "status": "200"}],
    "status out of range": [{"type": "http.response.start", "status": 99}],
    "header a str": [{"type": "http.response.start", "status": 200, "headers": [("a", "b")]}],
    "header with a line feed": [{**START, "headers": [(b"a", b"b\nc: d")]}],
    "header with a name that is none": [{**START, "headers": [(b"a b", b"c")]}],
    "body a str": [START, {"type": "http.response.body", "body": "text"}],
    "trailers not announced": [START, {"type": "http.response.trailers", "headers": []}],
}


async def bad_send(scope: Scope, receive: Receive, send: Send) -> None:
    """Send messages of which the last must raise; note with what."""
    *fine, bad = BAD_SENDS[asked(scope, "case")]
    for message in fine:
        await send(message)
    try:
        await send(bad)
    except Exception as error:
        await noted[asked(scope)].put(type(error).__name__)
    else:
        await noted[asked(scope)].put(None)


# Extensions


async def trailers(scope: Scope, receive: Receive, send: Send) -> None:
    # Over HTTP/1.1 those go out that are announced (RFC 9110, 6.6.2).
    announced = (b"trailer", b"x-one, x-two")
    await send({**START, "headers": [*START["headers"], announced], "trailers": True})
    await send({"type": "http.response.body", "body": b"data", "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    await send(
        {"type": "http.response.trailers", "headers": [(b"x-one", b"1")], "more_trailers": True}
    )
    await send({"type": "http.response.trailers", "headers": [(b"x-two", b"2")]})


async def early_hints(scope: Scope, receive: Receive, send: Send) -> None:
    links = [b"</a.css>; rel=preload; as=style", b"</b.js>; rel=preload"]
    await send({"type": "http.response.early_hint", "links": links})
    await answer(send, "after the hints")


async def pathsend(scope: Scope, receive: Receive, send: Send) -> None:
    path = asked(scope, "path")
    length = (b"content-length", asked(scope, "size").encode())
    await send({**START, "headers": [length]})
    await send({"type": "http.response.pathsend", "path": path})


# asyncio


async def asyncio_context(scope: Scope) -> object:
    before = variable.get()
    variable.set("mine")
    inner = await asyncio.create_task(asyncio.to_thread(variable.get))
    return [before, inner, variable.get()]


async def asyncio_current_task(scope: Scope) -> object:
    first = asyncio.current_task()
    await asyncio.sleep(0)
    same = first is asyncio.current_task() is not None
    return [same, first in asyncio.all_tasks(), asyncio.get_running_loop().is_running()]


async def asyncio_task_group(scope: Scope) -> object:
    async def double(n: int) -> int:
        await asyncio.sleep(0.01 * n)
        return 2 * n

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(double(n)) for n in range(3)]
    failed = False
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(20))
            group.create_task(asyncio.wait_for(asyncio.sleep(20), 0.01))
    except* TimeoutError:
        failed = True
    return [[task.result() for task in tasks], failed]


async def asyncio_timeout(scope: Scope) -> object:
    began = time.monotonic()
    try:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(20)
    except TimeoutError:
        return 0.04 < time.monotonic() - began < 10
    return False


async def asyncio_executor(scope: Scope) -> object:
    loop = asyncio.get_running_loop()
    results = [loop.run_in_executor(None, lambda n=n: n * n) for n in range(20)]
    return sum(await asyncio.gather(*results))


async def asyncio_subprocess(scope: Scope) -> object:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(input())", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate(b"through a pipe\n")
    return [output.decode().strip(), process.returncode]


async def asyncio_timers(scope: Scope) -> object:
    """Timers are never early, and late by little; the order is theirs."""
    for _ in range(40):
        fired = await _fired()
        # asyncio itself runs a timer up to a clock's resolution early.
        early = [late for _, late in fired if late < -0.001]
        punctual = max(late for _, late in fired) < 0.05
        if early or punctual:
            break
        # The machine may be busy, but not each time.
    return [[n for n, _ in fired], early, punctual]


async def _fired() -> list[tuple[int, float]]:
    """Have five timers run: which they were, in order, and how late in seconds."""
    loop = asyncio.get_running_loop()
    fired: list[tuple[int, float]] = []
    ended = asyncio.Event()
    began = loop.time()
    for n in (5, 1, 3, 2, 4):
        loop.call_later(n / 50, lambda n=n: fired.append((n, loop.time() - began - n / 50)))
    cancelled = loop.call_later(0.02, lambda: fired.append((0, 0.0)))
    cancelled.cancel()
    loop.call_later(0.12, ended.set)
    await ended.wait()
    return fired


async def asyncio_signal(scope: Scope) -> object:
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, came.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(came.wait(), 20)
    return loop.remove_signal_handler(signal.SIGUSR1)


async def asyncio_call_soon_threadsafe(scope: Scope) -> object:
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    await asyncio.to_thread(loop.call_soon_threadsafe, came.set)
    await asyncio.wait_for(came.wait(), 20)
    return True


async def asyncio_sockets(scope: Scope) -> object:
    """A server and a client of asyncio's own on the same loop."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        line = await reader.read()
        writer.close()
        await writer.wait_closed()
    return line.decode()


async def asyncio_async_generators(scope: Scope) -> object:
    """A generator that is dropped is finalised by the loop's hooks."""
    ended = asyncio.Event()

    async def numbers() -> Any:
        try:
            for n in range(10):
                yield n
        finally:
            await asyncio.sleep(0)
            ended.set()

    async for _ in numbers():
        break
    await asyncio.wait_for(ended.wait(), 20)
    return True


ASYNCIO = {
    name.removeprefix("asyncio_"): value
    for name, value in globals().items()
    if name.startswith("asyncio_")
}


async def asyncio_told(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, await ASYNCIO[asked(scope)](scope))


async def receive_cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    """A receive() that is cancelled while it waits loses nothing of the body."""
    cancelled = 0
    body = b""
    more = True
    await noted[asked(scope)].put("ready")
    while more:
        try:
            message = await asyncio.wait_for(receive(), 0.05)
        except TimeoutError:
            cancelled += 1
            if cancelled == 2:
                await noted[asked(scope)].put("cancelled")
            continue
        body += message.get("body", b"")
        more = message.get("more_body", False)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(receive(), 0.05)
    await answer(send, [cancelled >= 2, body.decode()])
    await noted[asked(scope)].put((await asyncio.wait_for(receive(), 20))["type"])


async def hold(scope: Scope, receive: Receive, send: Send) -> None:
    """Wait until there are as many as the barrier holds."""
    await asyncio.wait_for(held.wait(), 20)
    await answer(send, True)


async def state_change(scope: Scope, receive: Receive, send: Send) -> None:
    """The state is a copy: what is set here nobody else sees, what is changed inside all do."""
    scope["state"]["own"] = scope["state"].get("own", 0) + 1
    scope["state"]["shared"].append(1)
    await answer(send, [scope["state"]["own"], len(scope["state"]["shared"])])


PATHS = {
    "/scope": scope_told,
    "/note": note,
    "/body": body,
    "/body/held": body_held,
    "/go": go,
    "/after-the-end": after_the_end,
    "/left": left,
    "/left/midway": left_midway,
    "/unread": unread,
    "/pieces": pieces,
    "/on-demand": on_demand,
    "/headers": headers,
    "/bare": bare,
    "/declared": declared,
    "/raise": raises,
    "/raise/midway": raises_midway,
    "/return": returns,
    "/return/midway": returns_midway,
    "/bad-send": bad_send,
    "/trailers": trailers,
    "/early-hints": early_hints,
    "/pathsend": pathsend,
    "/asyncio": asyncio_told,
    "/receive-cancelled": receive_cancelled,
    "/hold": hold,
    "/state": state_change,
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer by path; the lifespan sets a state."""
    if scope["type"] == "lifespan":
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["shared"] = []
        scope["state"]["scope"] = told(scope)
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        print("shut down", file=sys.stderr, flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await PATHS.get(scope["path"], scope_told)(scope, receive, send)


# Lifespans


async def fails_to_start(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the database is on holiday"})


async def raises_at_start(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        raise RuntimeError("knows no lifespan")
    await answer(send, "serving")


async def returns_at_start(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "lifespan":
        await answer(send, "serving")


async def fails_to_stop(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "the door is stuck"})
    else:
        await answer(send, "serving")


async def tells_of_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        print("lifespan asked for", file=sys.stderr, flush=True)
        raise RuntimeError("knows no lifespan")
    await answer(send, "state" in scope)
