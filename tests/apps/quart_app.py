"""A Quart application with all that the contract asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import content
from quart import (
    Quart,
    Response,
    jsonify,
    make_response,
    redirect,
    request,
    send_file,
    url_for,
    websocket,
)

app = Quart(__name__)
app.config["MAX_CONTENT_LENGTH"] = None

next_event = asyncio.Event()
left = asyncio.Event()
done = asyncio.Event()
closed_codes: asyncio.Queue[int] = asyncio.Queue()
started: list[str] = []


@app.before_serving
async def start() -> None:
    started.append("yes")


@app.after_serving
async def stop() -> None:
    print("lifespan ended", flush=True)


@app.get("/json")
async def json() -> Response:
    return jsonify(message=content.GREETING)


@app.get("/path/<value>/end")
async def path(value: str) -> Response:
    return jsonify(value=value)


@app.get("/query")
async def query() -> Response:
    return jsonify({name: request.args.getlist(name) for name in request.args})


@app.post("/form")
async def form() -> Response:
    values = await request.form
    return jsonify({name: values.getlist(name) for name in values})


@app.post("/multipart")
async def multipart() -> Response:
    file = (await request.files)["file"]
    fields = (await request.form).to_dict()
    pieces = iter(lambda: file.read(65536), b"")
    return jsonify(fields=fields, name=file.filename, **content.digest(pieces))


@app.get("/cookies/set")
async def set_cookies() -> Response:
    response = jsonify(set=True)
    response.set_cookie("one", "1", httponly=True)
    response.set_cookie("two", "a b;c", max_age=3600)
    return response


@app.get("/cookies")
async def cookies() -> Response:
    return jsonify(request.cookies)


@app.get("/stream")
async def stream() -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in content.PIECES:
            yield piece

    return await make_response(pieces(), {"Content-Type": "application/octet-stream"})


@app.get("/file")
async def file() -> Response:
    return await send_file(content.FILE, as_attachment=True, attachment_filename="content.txt")


@app.put("/upload")
async def upload() -> Response:
    pieces = [piece async for piece in request.body]
    return jsonify(content.digest(iter(pieces)))


@app.get("/large")
async def large() -> Response:
    return Response(content.LARGE, mimetype="application/octet-stream")


@app.get("/redirect")
async def moved() -> object:
    return redirect(url_for("json"))


@app.get("/error")
async def error() -> Response:
    raise RuntimeError("meant to fail")


@app.get("/error/late")
async def late_error() -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("meant to fail late")

    return await make_response(pieces())


@app.get("/headers")
async def headers() -> Response:
    return jsonify(probe=", ".join(request.headers.getlist("X-Probe")))


@app.route("/options", methods=["OPTIONS"])
async def options() -> Response:
    return Response("", status=204, headers={"Allow": "GET, OPTIONS"})


@app.get("/where")
async def where() -> Response:
    return jsonify(
        client=(request.remote_addr or "").rpartition(":")[0] or request.remote_addr,
        scheme=request.scheme,
        root=request.root_path,
        path=request.path,
        link=url_for("json", _external=True),
    )


@app.get("/empty")
async def empty() -> Response:
    return Response("", status=204)


@app.get("/events")
async def events() -> Response:
    async def pieces() -> AsyncIterator[str]:
        yield "data: first\n\n"
        async with asyncio.timeout(20):
            await next_event.wait()
        next_event.clear()
        yield "data: second\n\n"

    response = await make_response(pieces(), {"Content-Type": "text/event-stream"})
    response.timeout = None
    return response


@app.post("/events/next")
async def let_next_event() -> Response:
    next_event.set()
    return Response("", status=204)


@app.get("/endless")
async def endless() -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            for piece in content.ticks():
                yield piece
                await asyncio.sleep(0)
        finally:
            left.set()

    response = await make_response(pieces(), {"Content-Type": "text/event-stream"})
    response.timeout = None
    return response


@app.get("/left")
async def has_left() -> Response:
    async with asyncio.timeout(20):
        await left.wait()
    return jsonify(left=True)


@app.get("/state")
async def state() -> Response:
    return jsonify(started=started[0])


@app.post("/background")
async def background() -> tuple[Response, int]:
    async def work() -> None:
        await asyncio.sleep(0.05)
        done.set()

    app.add_background_task(work)
    return jsonify(begun=True), 202


@app.get("/background/done")
async def background_done() -> Response:
    async with asyncio.timeout(20):
        await done.wait()
    return jsonify(done=True)


@app.websocket("/ws/echo")
async def echo() -> None:
    # Quart cancels the handler when the client goes and does not say with which code.
    while True:
        await websocket.send(await websocket.receive())


@app.websocket("/ws/json")
async def echo_json() -> None:
    await websocket.send_json({"got": await websocket.receive_json()})


@app.websocket("/ws/subprotocol")
async def subprotocol() -> None:
    offered = websocket.requested_subprotocols
    await websocket.accept(subprotocol=offered[-1])
    await websocket.send_json(offered)


@app.websocket("/ws/close")
async def closing() -> None:
    await websocket.accept()
    await websocket.close(4001, "enough")


@app.websocket("/ws/refuse")
async def refuse() -> None:
    await websocket.close(1008)


@app.websocket("/ws/denial")
async def denial() -> tuple[dict[str, str], int]:
    return {"why": "closed on Sundays"}, 503
