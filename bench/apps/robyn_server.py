"""The plain app in Robyn's own interface: `robyn_server.py PORT WORKERS`."""

import sys

port, processes = sys.argv[1:]
# Robyn reads its options from the command line, wherever it is imported.
sys.argv[1:] = ["--processes", processes, "--workers", "1", "--log-level", "ERROR"]
sys.argv += ["--disable-openapi"]

from robyn import Request, Response, Robyn, StreamingResponse  # noqa: E402

PIECE = bytes(range(256)) * 16
PIECES = 16

app = Robyn(__file__)


@app.get("/")
async def hello(request: Request) -> str:
    return "Hello, world.\n"


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(200, {"content-type": "application/octet-stream"}, request.body)


@app.get("/stream")
def stream(request: Request) -> StreamingResponse:
    pieces = (PIECE for _ in range(PIECES))
    return StreamingResponse(pieces, media_type="application/octet-stream")


@app.websocket("/ws")
async def echo_messages(websocket) -> None:  # type: ignore[no-untyped-def]
    while True:
        await websocket.send_text(await websocket.receive_text())


app.start(host="127.0.0.1", port=int(port))
