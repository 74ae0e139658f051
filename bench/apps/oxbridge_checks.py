"""The routes that the checks of bench/ load: `oxbridge_checks.py PORT`."""

import sys
import time
import zlib

from oxbridge import Mux, Request, ResponseWriter, Server

TEN_KIB = bytes(range(256)) * 40
BLOCK = bytes(range(256)) * 256

mux = Mux()


@mux.route("/{$}")
def hello(w: ResponseWriter, req: Request) -> None:
    w.write("Hello, world.\n")


@mux.route("GET /hello/{name}")
def hello_name(w: ResponseWriter, req: Request) -> None:
    w.write(f"Hello, {req.path_value('name')}!\n")


@mux.route("POST /length")
def length(w: ResponseWriter, req: Request) -> None:
    w.write(str(len(req.body)))


@mux.route("GET /ten")
def ten(w: ResponseWriter, req: Request) -> None:
    w.write(TEN_KIB)


@mux.route("POST /echo")
def echo(w: ResponseWriter, req: Request) -> None:
    w.write(req.body)


@mux.route("GET /fail")
def fail(w: ResponseWriter, req: Request) -> None:
    raise RuntimeError("as asked")


@mux.route("/sleep")
def sleep(w: ResponseWriter, req: Request) -> None:
    time.sleep(0.5)
    w.write("slept\n")


@mux.route("POST /upload")
def upload(w: ResponseWriter, req: Request) -> None:
    received = checksum = 0
    for chunk in req:
        received += len(chunk)
        checksum = zlib.crc32(chunk, checksum)
    w.write(f"{received} {checksum}")


@mux.route("GET /download/{blocks}")
def download(w: ResponseWriter, req: Request) -> None:
    for _ in range(int(req.path_value("blocks"))):
        w.write(BLOCK)


@mux.route("GET /live")
def live(w: ResponseWriter, req: Request) -> None:
    """Answer how many exchanges are alive besides this one."""
    life = server._life
    # A server that answers is running.
    assert life is not None
    w.write(str(life.core.live_exchanges - 1))


# Idle connections must outlive the check that counts them.
server = Server(mux, port=sys.argv[1], keep_alive_timeout=3600)
with server:
    server.wait()
