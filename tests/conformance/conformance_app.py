"""The application that the clients of this folder talk to: one process, four listeners.

    python conformance_app.py FILES SOCKET CHAIN KEY AUTHORITY

It serves the folder FILES, and says on standard error where it listens: in cleartext, on the Unix
socket SOCKET, over TLS, and over TLS for those who show a certificate that AUTHORITY signed.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

from oxbridge import Mux, Request, ResponseWriter, Server, Tls

mux = Mux()
route = mux.route
servers: dict[str, Server] = {}
files = Path(sys.argv[1]).resolve()

LINE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+\n"
"""What /bytes repeats: 64 bytes, so that a hole or a repetition shows."""


@route("/{$}")
@route("/{one}")
def anything(w: ResponseWriter, req: Request) -> None:
    """Read the body, if there is one, before answering."""
    w.write(f"{len(req.body)} bytes\n")


@route("GET /hello")
def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello\n")


@route("GET /hello/{name}")
def hello_name(w: ResponseWriter, req: Request) -> None:
    w.write(f"hello, {req.path_value('name')}\n")


@route("/echo")
def echo(w: ResponseWriter, req: Request) -> None:
    """Send the body back as it arrives, and the trailers after it."""
    w.header["Content-Type"] = req.headers.get("Content-Type", "application/octet-stream")
    for piece in req:
        w.write(piece)
    for name, value in req.trailers.items():
        w.trailer.add(name, value)


@route("/inspect")
def inspect(w: ResponseWriter, req: Request) -> None:
    """Tell what came, the body by its length and digest."""
    digest, length = hashlib.sha256(), 0
    for piece in req:
        digest.update(piece)
        length += len(piece)
    w.json(
        {
            "method": req.method,
            "url": req.url,
            "proto": req.proto,
            "scheme": req.scheme,
            "host": req.host,
            "headers": [[name.lower(), value] for name, value in req.headers.items()],
            "cookies": req.cookies,
            "length": length,
            "sha256": digest.hexdigest(),
            "trailers": [[name.lower(), value] for name, value in req.trailers.items()],
            "alpn": req.tls.alpn if req.tls else None,
            "client": bool(req.tls and req.tls.client_cert),
        }
    )


@route("POST /form")
def form(w: ResponseWriter, req: Request) -> None:
    """Tell the parts of a multipart body."""
    told = []
    for part in req.multipart():
        digest, length = hashlib.sha256(), 0
        for piece in part:
            digest.update(piece)
            length += len(piece)
        told.append(
            {
                "name": part.name,
                "filename": part.filename,
                "type": part.content_type,
                "length": length,
                "sha256": digest.hexdigest(),
            }
        )
    w.json(told)


@route("POST /fields")
def fields(w: ResponseWriter, req: Request) -> None:
    w.json(req.form.items())


@route("GET /bytes/{count}")
def count_bytes(w: ResponseWriter, req: Request) -> None:
    """Stream so many bytes; `?length` declares them."""
    left = int(req.path_value("count"))
    w.header["Content-Type"] = "application/octet-stream"
    if "length" in req.query:
        w.header["Content-Length"] = left
    block = LINE * 1024
    while left > 0:
        left -= w.write(block[: min(left, len(block))])


@route("/redirect/{left}")
def redirect(w: ResponseWriter, req: Request) -> None:
    """Send the client on, so many times, and then to /inspect; `?code` is the status."""
    left = int(req.path_value("left"))
    code = req.query.get("code", "302")
    w.redirect(f"/redirect/{left - 1}?code={code}" if left else "/inspect", int(code))


@route("GET /status/{code}")
def status(w: ResponseWriter, req: Request) -> None:
    w.set_status(int(req.path_value("code")))


@route("GET /cookies/set")
def set_cookies(w: ResponseWriter, req: Request) -> None:
    w.set_cookie("plain", "one")
    w.set_cookie("lasting", "two", max_age=3600, http_only=True, same_site="lax")
    w.set_cookie("elsewhere", "three", path="/elsewhere")


@route("GET /cookies/unset")
def unset_cookies(w: ResponseWriter, req: Request) -> None:
    w.set_cookie("plain", "", max_age=0)


@route("GET /trailers")
def trailers(w: ResponseWriter, req: Request) -> None:
    w.header["Trailer"] = "X-Digest"
    w.write(LINE)
    w.flush()
    w.trailer["X-Digest"] = hashlib.sha256(LINE).hexdigest()


@route("GET /hints")
def hints(w: ResponseWriter, req: Request) -> None:
    w.header["Link"] = "</style.css>; rel=preload"
    w.set_status(103)
    w.set_status(200)
    w.write("hinted\n")


@route("GET /files/{path...}")
def static(w: ResponseWriter, req: Request) -> None:
    wanted = (files / req.path_value("path")).resolve()
    if not wanted.is_relative_to(files):
        w.error("There is no such file.", 404)
        return
    w.serve_file(wanted)


@route("POST /ignore")
def ignore(w: ResponseWriter, req: Request) -> None:
    """Answer without reading the body."""
    w.write("ignored\n")


@route("GET /pause")
def pause(w: ResponseWriter, req: Request) -> None:
    """Block for a moment, as a database would have a handler do."""
    time.sleep(0.05)
    w.write("paused\n")


@route("GET /fail")
def fail(w: ResponseWriter, req: Request) -> None:
    raise RuntimeError("this handler fails on purpose")


@route("GET /coroutine")
async def coroutine(w: ResponseWriter, req: Request) -> None:
    await w.awrite("a coroutine\n")


@route("GET /state")
def state(w: ResponseWriter, req: Request) -> None:
    """Tell how much of every listener is in use, this exchange included, and the memory."""
    cores = [server._life.core for server in servers.values() if server._life]
    with open("/proc/self/statm", encoding="ascii") as statm:
        pages = int(statm.read().split()[1])
    w.json(
        {
            "exchanges": sum(core.live_exchanges for core in cores),
            "connections": sum(core.connections for core in cores),
            "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        }
    )


def main() -> None:
    """Serve until SIGTERM, and fail if anything is left of an exchange by then."""
    _, socket, chain, key, authority = sys.argv[1:]
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    servers["unix"] = Server(mux, bind=f"unix:{socket}")
    servers["TLS"] = Server(mux, tls=Tls(cert=chain, key=key))
    servers["mutual TLS"] = Server(mux, tls=Tls(cert=chain, key=key, client_ca=authority))
    # The last one, since whoever started this waits for its line.
    servers["Serving"] = Server(mux)
    for name, server in servers.items():
        server.start()
        print(f"{name} on {server.url}", file=sys.stderr, flush=True)
    told.wait()
    stopped = [server.stop(5) for server in servers.values()]
    left = [server._life.core.live_exchanges for server in servers.values() if server._life]
    print(f"stopped: {stopped}, exchanges left: {left}", file=sys.stderr, flush=True)
    sys.exit(0 if all(stopped) and not any(left) else 1)


if __name__ == "__main__":
    main()
