"""A FastAPI application with all that the contract asks for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

import content
from fastapi import (
    BackgroundTasks,
    Cookie,
    Depends,
    FastAPI,
    File,
    Form,
    Header,
    Query,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, StreamingResponse

BYTES = "application/octet-stream"


class Signals:
    """What one request waits for and another brings about."""

    def __init__(self) -> None:
        self.next_event = asyncio.Event()
        self.left = asyncio.Event()
        self.done = asyncio.Event()
        self.closed: asyncio.Queue[int] = asyncio.Queue()


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    yield {"signals": Signals(), "started": "yes"}
    print("lifespan ended", flush=True)


def signals(request: Request) -> Signals:
    return request.state.signals


app = FastAPI(lifespan=lifespan)
Asked = Annotated[Signals, Depends(signals)]


@app.get("/json")
@app.head("/json")
async def json() -> dict[str, str]:
    return {"message": content.GREETING}


@app.get("/path/{value}/end")
def path(value: str) -> dict[str, str]:  # a plain function: runs in a thread
    return {"value": value}


@app.get("/query")
async def query(
    a: Annotated[list[str], Query()], b: Annotated[list[str], Query()]
) -> dict[str, list[str]]:
    return {"a": a, "b": b}


@app.post("/form")
async def form(
    a: Annotated[list[str], Form()], b: Annotated[list[str], Form()]
) -> dict[str, list[str]]:
    return {"a": a, "b": b}


@app.post("/multipart")
def multipart(
    title: Annotated[str, Form()], file: Annotated[UploadFile, File()]
) -> dict[str, object]:
    pieces = iter(lambda: file.file.read(65536), b"")
    return {"fields": {"title": title}, "name": file.filename, **content.digest(pieces)}


@app.get("/cookies/set")
async def set_cookies(response: Response) -> dict[str, bool]:
    response.set_cookie("one", "1", httponly=True)
    response.set_cookie("two", "a b;c", max_age=3600)
    return {"set": True}


@app.get("/cookies")
async def cookies(
    one: Annotated[str | None, Cookie()] = None, two: Annotated[str | None, Cookie()] = None
) -> dict[str, str | None]:
    return {"one": one, "two": two}


@app.get("/stream")
def stream() -> StreamingResponse:
    return StreamingResponse(iter(content.PIECES), media_type=BYTES)


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(content.FILE, filename="content.txt")


@app.put("/upload")
async def upload(request: Request) -> dict[str, object]:
    pieces = [piece async for piece in request.stream()]
    return content.digest(iter(pieces))


@app.get("/large")
async def large() -> Response:
    return Response(content.LARGE, media_type=BYTES)


@app.get("/redirect")
async def moved(request: Request) -> RedirectResponse:
    return RedirectResponse(request.url_for("json"), 302)


@app.get("/error")
async def error() -> None:
    raise RuntimeError("meant to fail")


@app.get("/error/late")
async def late_error() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("meant to fail late")

    return StreamingResponse(pieces())


@app.get("/headers")
async def headers(x_probe: Annotated[list[str], Header()]) -> dict[str, str]:
    return {"probe": ", ".join(x_probe)}


@app.options("/options")
async def options() -> Response:
    return Response(status_code=204, headers={"Allow": "GET, OPTIONS"})


@app.get("/where")
async def where(request: Request) -> dict[str, object]:
    return {
        "client": request.client.host if request.client else None,
        "scheme": request.url.scheme,
        "root": request.scope["root_path"],
        "path": request.url.path.removeprefix(request.scope["root_path"]),
        "link": str(request.url_for("json")),
    }


@app.get("/empty", status_code=204)
async def empty() -> None:
    return None


@app.get("/events")
async def events(asked: Asked) -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        yield "data: first\n\n"
        async with asyncio.timeout(20):
            await asked.next_event.wait()
        asked.next_event.clear()
        yield "data: second\n\n"

    return StreamingResponse(pieces(), media_type="text/event-stream")


@app.post("/events/next", status_code=204)
async def let_next_event(asked: Asked) -> None:
    asked.next_event.set()


@app.get("/endless")
async def endless(asked: Asked) -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            for piece in content.ticks():
                yield piece
                await asyncio.sleep(0)
        finally:
            asked.left.set()

    return StreamingResponse(pieces(), media_type="text/event-stream")


@app.get("/left")
async def has_left(asked: Asked) -> dict[str, bool]:
    async with asyncio.timeout(20):
        await asked.left.wait()
    return {"left": True}


@app.get("/state")
async def state(request: Request) -> dict[str, str]:
    return {"started": request.state.started}


@app.post("/background", status_code=202)
async def background(tasks: BackgroundTasks, asked: Asked) -> dict[str, bool]:
    async def work() -> None:
        await asyncio.sleep(0.05)
        asked.done.set()

    tasks.add_task(work)
    return {"begun": True}


@app.get("/background/done")
async def background_done(asked: Asked) -> dict[str, bool]:
    async with asyncio.timeout(20):
        await asked.done.wait()
    return {"done": True}


@app.websocket("/ws/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
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


@app.websocket("/ws/json")
async def echo_json(socket: WebSocket) -> None:
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        await socket.send_json({"got": await socket.receive_json()})
        await socket.close()


@app.websocket("/ws/subprotocol")
async def subprotocol(socket: WebSocket) -> None:
    await socket.accept(subprotocol=socket.scope["subprotocols"][-1])
    await socket.send_json(socket.scope["subprotocols"])
    await socket.close()


@app.websocket("/ws/close")
async def closing(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close(4001, "enough")


@app.websocket("/ws/refuse")
async def refuse(socket: WebSocket) -> None:
    await socket.close(1008)


@app.websocket("/ws/denial")
async def denial(socket: WebSocket) -> None:
    await socket.send_denial_response(JSONResponse({"why": "closed on Sundays"}, 503))


@app.get("/ws/closed")
async def closed(asked: Asked) -> dict[str, int]:
    async with asyncio.timeout(20):
        return {"code": await asked.closed.get()}
