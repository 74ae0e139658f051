"""What the compiler watches at work beside applications: handlers of every kind."""

from __future__ import annotations

from oxbridge import Mux, Request, ResponseWriter

PIECE = bytes(range(256)) * 16
PIECES = 16


def mux() -> Mux:
    """Give a mux whose handlers are of every kind."""
    routes = Mux()

    def hello(w: ResponseWriter, req: Request) -> None:
        w.write("Hello, world.\n")

    def named(w: ResponseWriter, req: Request) -> None:
        w.header["Content-Type"] = "text/plain"
        w.write(f"Hello, {req.path_value('name')}: {req.headers.get('User-Agent')}\n")

    def echo(w: ResponseWriter, req: Request) -> None:
        w.write(req.body)

    def stream(w: ResponseWriter, req: Request) -> None:
        for _ in range(PIECES):
            w.write(PIECE)
            w.flush()

    async def later(w: ResponseWriter, req: Request) -> None:
        w.write("Hello, world.\n")

    routes.route("/{$}", hello)
    routes.route("GET /hello/{name}", named)
    routes.route("POST /echo", echo)
    routes.route("/stream", stream)
    routes.route("/inline", hello, blocking=False)
    routes.route("/later", later)
    return routes


def coroutines() -> Mux:
    """Give a mux that has nothing but coroutines: their loop drives its server."""
    routes = Mux()

    async def hello(w: ResponseWriter, req: Request) -> None:
        w.write("Hello, world.\n")

    async def echo(w: ResponseWriter, req: Request) -> None:
        w.write(await req.aread())

    routes.route("/{$}", hello)
    routes.route("POST /echo", echo)
    return routes
