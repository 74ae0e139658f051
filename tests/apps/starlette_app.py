"""A Starlette application with all that the contract asks for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import content
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

BYTES = "application/octet-stream"


class Signals:
    """What one request waits for and another brings about."""

    def __init__(self) -> None:
        self.next_event = asyncio.Event()
        self.left = asyncio.Event()
        self.done = asyncio.Event()
        self.closed: asyncio.Queue[int] = asyncio.Queue()


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    yield {"signals": Signals(), "started": "yes"}
    print("lifespan ended", flush=True)


async def json(request: Request) -> Response:
    return JSONResponse({"message": content.GREETING})


async def path(request: Request) -> Response:
    return JSONResponse({"value": request.path_params["value"]})


async def query(request: Request) -> Response:
    values = request.query_params
    return JSONResponse({name: values.getlist(name) for name in values})


async def form(request: Request) -> Response:
    async with request.form() as values:
        return JSONResponse({name: values.getlist(name) for name in values})


async def multipart(request: Request) -> Response:
    async with request.form() as values:
        file = values["file"]
        fields = {name: value for name, value in values.items() if isinstance(value, str)}
        pieces = iter(lambda: file.file.read(65536), b"")
        return JSONResponse({"fields": fields, "name": file.filename, **content.digest(pieces)})


async def set_cookies(request: Request) -> Response:
    response = JSONResponse({"set": True})
    response.set_cookie("one", "1", httponly=True)
    response.set_cookie("two", "a b;c", max_age=3600)
    return response


async def cookies(request: Request) -> Response:
    return JSONResponse(request.cookies)


async def stream(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in content.PIECES:
            yield piece
            await asyncio.sleep(0)

    return StreamingResponse(pieces(), media_type=BYTES)


async def file(request: Request) -> Response:
    return FileResponse(content.FILE, filename="content.txt")


async def upload(request: Request) -> Response:
    pieces = [piece async for piece in request.stream()]
    return JSONResponse(content.digest(iter(pieces)))


async def large(request: Request) -> Response:
    return Response(content.LARGE, media_type=BYTES)


async def moved(request: Request) -> Response:
    return RedirectResponse(request.url_for("json"), 302)


async def error(request: Request) -> Response:
    raise RuntimeError("meant to fail")


async def late_error(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("meant to fail late")

    return StreamingResponse(pieces())


async def headers(request: Request) -> Response:
    return JSONResponse({"probe": ", ".join(request.headers.getlist("x-probe"))})


async def options(request: Request) -> Response:
    return Response(status_code=204, headers={"Allow": "GET, OPTIONS"})


async def where(request: Request) -> Response:
    return JSONResponse(
        {
            "client": request.client.host if request.client else None,
            "scheme": request.url.scheme,
            "root": request.scope["root_path"],
            "path": request.url.path.removeprefix(request.scope["root_path"]),
            "link": str(request.url_for("json")),
        }
    )


async def empty(request: Request) -> Response:
    return Response(status_code=204)


async def events(request: Request) -> Response:
    signals = request.state.signals

    async def pieces() -> AsyncIterator[str]:
        yield "data: first\n\n"
        await asyncio.wait_for(signals.next_event.wait(), 20)
        signals.next_event.clear()
        yield "data: second\n\n"

    return StreamingResponse(pieces(), media_type="text/event-stream")


async def let_next_event(request: Request) -> Response:
    request.state.signals.next_event.set()
    return Response(status_code=204)


async def endless(request: Request) -> Response:
    signals = request.state.signals

    async def pieces() -> AsyncIterator[bytes]:
        try:
            for piece in content.ticks():
                yield piece
                await asyncio.sleep(0)
        finally:
            signals.left.set()

    return StreamingResponse(pieces(), media_type="text/event-stream")


async def has_left(request: Request) -> Response:
    await asyncio.wait_for(request.state.signals.left.wait(), 20)
    return JSONResponse({"left": True})


async def state(request: Request) -> Response:
    return JSONResponse({"started": request.state.started})


async def background(request: Request) -> Response:
    async def work() -> None:
        await asyncio.sleep(0.05)
        request.state.signals.done.set()

    return JSONResponse({"begun": True}, 202, background=BackgroundTask(work))


async def background_done(request: Request) -> Response:
    await asyncio.wait_for(request.state.signals.done.wait(), 20)
    return JSONResponse({"done": True})


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                if socket.query_params:  # this client's code is asked for
                    await socket.state.signals.closed.put(message["code"])
                return
            if message.get("text") is not None:
                await socket.send_text(message["text"])
            else:
                await socket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        return


async def echo_json(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json({"got": await socket.receive_json()})
    await socket.close()


async def subprotocol(socket: WebSocket) -> None:
    await socket.accept(subprotocol=socket.scope["subprotocols"][-1])
    await socket.send_json(socket.scope["subprotocols"])
    await socket.close()


async def closing(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close(4001, "enough")


async def refuse(socket: WebSocket) -> None:
    await socket.close(1008)


async def denial(socket: WebSocket) -> None:
    await socket.send_denial_response(JSONResponse({"why": "closed on Sundays"}, 503))


async def closed(request: Request) -> Response:
    code = await asyncio.wait_for(request.state.signals.closed.get(), 20)
    return JSONResponse({"code": code})


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/json", json, name="json"),
        Route("/path/{value}/end", path),
        Route("/query", query),
        Route("/form", form, methods=["POST"]),
        Route("/multipart", multipart, methods=["POST"]),
        Route("/cookies/set", set_cookies),
        Route("/cookies", cookies),
        Route("/stream", stream),
        Route("/file", file),
        Route("/upload", upload, methods=["PUT"]),
        Route("/large", large),
        Route("/redirect", moved),
        Route("/error", error),
        Route("/error/late", late_error),
        Route("/headers", headers),
        Route("/options", options, methods=["OPTIONS"]),
        Route("/where", where),
        Route("/empty", empty),
        Route("/events", events),
        Route("/events/next", let_next_event, methods=["POST"]),
        Route("/endless", endless),
        Route("/left", has_left),
        Route("/state", state),
        Route("/background", background, methods=["POST"]),
        Route("/background/done", background_done),
        Route("/ws/closed", closed),
        WebSocketRoute("/ws/echo", echo),
        WebSocketRoute("/ws/json", echo_json),
        WebSocketRoute("/ws/subprotocol", subprotocol),
        WebSocketRoute("/ws/close", closing),
        WebSocketRoute("/ws/refuse", refuse),
        WebSocketRoute("/ws/denial", denial),
    ],
)
