"""A Litestar application with all that the contract asks for."""

# No `from __future__ import annotations`: Litestar reads the annotations of handlers.

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Annotated, Any

import content
from litestar import Litestar, Request, Response, WebSocket, get, post, put, route, websocket
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import State, UploadFile
from litestar.enums import RequestEncodingType
from litestar.handlers import BaseRouteHandler
from litestar.logging import LoggingConfig
from litestar.params import Body
from litestar.response import File, Redirect, ServerSentEvent, Stream

BYTES = "application/octet-stream"
Urlencoded = Annotated[dict[str, list[str]], Body(media_type=RequestEncodingType.URL_ENCODED)]
Multipart = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]


@contextlib.asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    app.state.started = "yes"
    app.state.next_event = asyncio.Event()
    app.state.left = asyncio.Event()
    app.state.done = asyncio.Event()
    app.state.closed = asyncio.Queue()
    yield
    print("lifespan ended", flush=True)


@get("/json", name="json")
async def json() -> dict[str, str]:
    return {"message": content.GREETING}


@route("/json", http_method=["HEAD"])
async def json_head() -> None:
    return None


@get("/path/{value:str}/end", sync_to_thread=True)
def path(value: str) -> dict[str, str]:
    return {"value": value}


@get("/query")
async def query(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
    values = request.query_params
    return {name: values.getall(name) for name in values}


@post("/form", status_code=200)
async def form(data: Urlencoded) -> dict[str, list[str]]:
    return data


@post("/multipart", status_code=200)
async def multipart(data: Multipart) -> dict[str, object]:
    file: UploadFile = data.pop("file")
    pieces = [await file.read()]
    return {"fields": data, "name": file.filename, **content.digest(iter(pieces))}


@get("/cookies/set")
async def set_cookies() -> Response[dict[str, bool]]:
    response = Response({"set": True})
    response.set_cookie("one", "1", httponly=True)
    response.set_cookie("two", "a b;c", max_age=3600)
    return response


@get("/cookies")
async def cookies(request: Request[Any, Any, Any]) -> dict[str, str]:
    return request.cookies


@get("/stream")
async def stream() -> Stream:
    return Stream(lambda: iter(content.PIECES), media_type=BYTES)


@get("/file")
async def file() -> File:
    return File(content.FILE, filename="content.txt")


@put("/upload", status_code=200, request_max_body_size=None)
async def upload(request: Request[Any, Any, Any]) -> dict[str, object]:
    pieces = [piece async for piece in request.stream()]
    return content.digest(iter(pieces))


@get("/large", media_type=BYTES)
async def large() -> bytes:
    return content.LARGE


@get("/redirect", status_code=302)
async def moved() -> Redirect:
    return Redirect("/json", status_code=302)


@get("/error")
async def error() -> None:
    raise RuntimeError("meant to fail")


@get("/error/late")
async def late_error() -> Stream:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("meant to fail late")

    return Stream(pieces)


@get("/headers")
async def headers(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {"probe": ", ".join(request.headers.getall("x-probe"))}


@route("/options", http_method=["OPTIONS"], status_code=204)
async def options() -> Response[None]:
    return Response(None, status_code=204, headers={"Allow": "GET, OPTIONS"})


@get("/where")
async def where(request: Request[Any, Any, Any]) -> dict[str, object]:
    root = request.scope.get("root_path", "")
    return {
        "client": request.client.host if request.client else None,
        "scheme": request.url.scheme,
        "root": root,
        "path": request.url.path.removeprefix(root),
        "link": str(request.url_for("json")),
    }


@get("/empty", status_code=204)
async def empty() -> None:
    return None


@get("/events")
async def events(state: State) -> ServerSentEvent:
    async def pieces() -> AsyncIterator[str]:
        yield "first"
        async with asyncio.timeout(20):
            await state.next_event.wait()
        state.next_event.clear()
        yield "second"

    return ServerSentEvent(pieces())


@post("/events/next", status_code=204)
async def let_next_event(state: State) -> None:
    state.next_event.set()


@get("/endless")
async def endless(state: State) -> Stream:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            for piece in content.ticks():
                yield piece
                await asyncio.sleep(0)
        finally:
            state.left.set()

    return Stream(pieces, media_type="text/event-stream")


@get("/left")
async def has_left(state: State) -> dict[str, bool]:
    # Litestar leaves a generator that was cancelled between two pieces to the collector.
    async with asyncio.timeout(20):
        while not state.left.is_set():
            gc.collect()
            await asyncio.sleep(0.05)
    return {"left": True}


@get("/state")
async def app_state(state: State) -> dict[str, str]:
    return {"started": state.started}


@post("/background", status_code=202)
async def background(state: State) -> Response[dict[str, bool]]:
    async def work() -> None:
        await asyncio.sleep(0.05)
        state.done.set()

    return Response({"begun": True}, background=BackgroundTask(work))


@get("/background/done")
async def background_done(state: State) -> dict[str, bool]:
    async with asyncio.timeout(20):
        await state.done.wait()
    return {"done": True}


@websocket("/ws/echo")
async def echo(socket: WebSocket[Any, Any, Any], state: State) -> None:
    await socket.accept()
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            if socket.query_params:  # this client's code is asked for
                await state.closed.put(message["code"])
            return
        if message.get("text") is not None:
            await socket.send_text(message["text"])
        else:
            await socket.send_bytes(message["bytes"])


@websocket("/ws/json")
async def echo_json(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_json({"got": await socket.receive_json()})
    await socket.close()


@websocket("/ws/subprotocol")
async def subprotocol(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept(subprotocols=socket.scope["subprotocols"][-1])
    await socket.send_json(socket.scope["subprotocols"])
    await socket.close()


@websocket("/ws/close")
async def closing(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.close(4001, "enough")


@websocket("/ws/refuse")
async def refuse(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.close(1008)


@get("/ws/closed")
async def closed(state: State) -> dict[str, int]:
    async with asyncio.timeout(20):
        return {"code": await state.closed.get()}


app = Litestar(
    [value for value in globals().values() if isinstance(value, BaseRouteHandler)],
    lifespan=[lifespan],
    logging_config=LoggingConfig(log_exceptions="always"),
    openapi_config=None,
)
