"""The rows for other loads: bodies, files, pipelines, short connections, sleepers, TLS, HTTP/2.

`LOADS` says what is asked for, `WAYS` how a server is started for it; each pair that fits is a row,
called "load: server". Each is compared with the native handlers, and each of ours promised to be
ahead of the peers that are written in the same way: `Way.beside`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import interfaces
from interfaces import NEEDS
from load import Manner, posted
from material import FILE, FILE_BODY
from row import FEW_CONNECTIONS, HELLO, Server

NATIVE = "oxbridge native"
AT = "127.0.0.1:{port}"
# As many as the load has connections, so that none waits for a sleeper's thread.
THREADS = "100"


@dataclass(frozen=True)
class Asked:
    """What the rows of a load are asked for."""

    name: str
    path: str = "/"
    body: bytes = HELLO
    sends: int = 0
    manner: Manner = Manner.KEEP_ALIVE
    judged_by: str = "requests_per_second"


@dataclass(frozen=True)
class Way:
    """How a server is started, and for which of the loads: by name, or the first words of one."""

    server: str
    command: tuple[str, ...]
    about: str
    takes: tuple[str, ...]
    needs: tuple[str, ...] = ()
    beside: str = ""


BODIES = ("echo", "stream")
SIMPLE = ("pipelined", "a connection for each request")
FILES = "static file of 100 KiB"
MIX = "mix with sleepers"
TLS = "TLS"
H2 = "HTTP/2"

LOADS = (
    Asked("echo of 1 KiB", "/echo", posted(1024), 1024),
    Asked("echo of 10 KiB", "/echo", posted(10240), 10240),
    Asked("stream of 64 KiB", "/stream", bytes(range(256)) * 256),
    Asked(FILES, f"/static/{FILE}", FILE_BODY),
    Asked("pipelined", manner=Manner.PIPELINED),
    # The load generator is the limit of one, and the sleepers of the other.
    Asked("a connection for each request", manner=Manner.CLOSE, judged_by="cpu_us"),
    Asked(MIX, manner=Manner.MIX, judged_by="cpu_us"),
    Asked(TLS, manner=Manner.TLS),
    Asked(H2, manner=Manner.H2),
)


def _ours(interface: str, takes: tuple[str, ...], *options: str) -> Way:
    command = interfaces.oxbridge(f"plain_{interface}:app", interface, *options)
    about = f"oxbridge serve, {interface.upper()}"
    return Way(_beside(interface), command, about, takes, NEEDS["oxbridge"])


def _granian(interface: str, takes: tuple[str, ...], *options: str, threads: str = "1") -> Way:
    app = f"plain_{interface}:app"
    command = interfaces.granian(app, interface, "mt", "--no-ws", *options, threads=threads)
    about = f"{interface.upper()}, runtime mode mt, one runtime thread, uvloop"
    about += f", {threads} threads for the app" if threads != "1" else ""
    name = f"granian {interface.upper()}"
    return Way(name, command, about, takes, NEEDS["granian"], _beside(interface))


def _gunicorn(worker: str, takes: tuple[str, ...], *options: str) -> Way:
    command = interfaces.gunicorn("plain_wsgi:app", worker, *options)
    about = f"WSGI, {worker} worker, C parser {' '.join(options)}".strip()
    return Way(f"gunicorn {worker}", command, about, takes, NEEDS["gunicorn"], _beside("wsgi"))


def _uvicorn(app: str, takes: tuple[str, ...], *options: str) -> Way:
    command, about = interfaces.uvicorn(app, *options), "ASGI, uvloop, httptools"
    return Way("uvicorn", command, about, takes, NEEDS["uvicorn"], _beside("asgi"))


def _hypercorn(takes: tuple[str, ...], *options: str) -> Way:
    # By default it ends an HTTP/2 connection after a thousand requests.
    command = interfaces.hypercorn("plain_asgi:app", "--config", "hypercorn.toml", *options)
    return Way("hypercorn", command, "ASGI, uvloop", takes, NEEDS["hypercorn"], _beside("asgi"))


def _beside(interface: str) -> str:
    return f"oxbridge {interface.upper()}"


HANDLER = ("{apps}", "oxbridge_hello.py", "{port}")
PAIR = ("{certificate}", "{key}")
# As ours and uvicorn call them; as gunicorn and hypercorn do.
SSL_FILES = ("--ssl-certfile", "{certificate}", "--ssl-keyfile", "{key}")
FILES_OF_TLS = ("--certfile", "{certificate}", "--keyfile", "{key}")
GRANIAN_TLS = ("--ssl-certificate", "{certificate}", "--ssl-keyfile", "{key}", "--http", "1")
FOLDER = ("--static", "/static={files}")

# Neighbours are measured one after the other: what is to be told apart stands together.
WAYS = (
    Way(NATIVE, ("{native}", AT), "Rust async handler", (*BODIES, FILES, *SIMPLE, MIX, H2)),
    Way(NATIVE, ("{native}", AT, *PAIR), "Rust async handler, rustls", (TLS,)),
    Way("axum", ("{axum}", AT), "one thread", (*BODIES, FILES, *SIMPLE, MIX, H2), beside=NATIVE),
    Way("libmicrohttpd", ("{libmicrohttpd}", AT), "epoll, one thread", SIMPLE, beside=NATIVE),
    Way("oxbridge C", ("{c_hello}", AT), "C handler, which may block", (*BODIES, *SIMPLE)),
    Way(
        "oxbridge python",
        (*HANDLER, "blocking"),
        "Python handler (w, req), which may block",
        (*BODIES, *SIMPLE, MIX),
        ("oxbridge",),
    ),
    Way(
        "oxbridge python async",
        (*HANDLER, "async"),
        "Python coroutine (w, req)",
        (MIX,),
        ("oxbridge",),
    ),
    Way(
        "go net/http",
        ("{net_http}", AT),
        "a goroutine for each connection",
        (*BODIES, FILES, *SIMPLE, MIX, H2),
        beside=NATIVE,
    ),
    Way("go net/http", ("{net_http}", AT, *PAIR), "crypto/tls", (TLS,), beside=NATIVE),
    _ours("wsgi", SIMPLE),
    _ours("wsgi", (MIX,), "--threads", THREADS),
    _ours("wsgi", (TLS,), *SSL_FILES),
    _granian("wsgi", SIMPLE, "--http", "1"),
    _granian("wsgi", (MIX,), "--http", "1", threads=THREADS),
    _granian("wsgi", (TLS,), *GRANIAN_TLS),
    Way(
        "fastpysgi",
        interfaces.fastpysgi("plain_wsgi:app"),
        "WSGI, errors logged only, Nagle off",
        (*SIMPLE, MIX),
        NEEDS["fastpysgi"],
        _beside("wsgi"),
    ),
    _gunicorn("gthread", ("pipelined",), "--threads", "4", "--keep-alive", "60"),
    _gunicorn("sync", (SIMPLE[1],)),
    _gunicorn("gthread", (MIX,), "--threads", THREADS, "--keep-alive", "60"),
    _gunicorn("gthread", (TLS,), "--threads", "4", "--keep-alive", "60", *FILES_OF_TLS),
    _ours("asgi", (*SIMPLE, MIX, H2)),
    _ours("asgi", (FILES,), *FOLDER),
    _ours("asgi", (TLS,), *SSL_FILES),
    _granian("asgi", (*SIMPLE, MIX), "--http", "1"),
    _granian("asgi", (FILES,), "--http", "1", "--static-path-mount", "{files}"),
    _granian("asgi", (TLS,), *GRANIAN_TLS),
    _granian("asgi", (H2,)),
    _uvicorn("plain_asgi:app", (*SIMPLE, MIX)),
    _uvicorn("starlette_files:app", (FILES,)),
    _uvicorn("plain_asgi:app", (TLS,), *SSL_FILES),
    _hypercorn((H2,)),
    _hypercorn((TLS,), *FILES_OF_TLS),
)


def rows() -> Iterator[Server]:
    """Make the rows, load by load, the native handlers first."""
    for asked in LOADS:
        for way in WAYS:
            if any(asked.name.startswith(name) for name in way.takes):
                yield _row(asked, way)


def _row(asked: Asked, way: Way) -> Server:
    return Server(
        f"{asked.name}: {way.server}",
        way.command,
        way.about,
        asked.path,
        asked.body,
        way.needs,
        sends=asked.sends,
        manner=asked.manner,
        workload=asked.name,
        compared_with=f"{asked.name}: {NATIVE}",
        connections=FEW_CONNECTIONS,
        ahead_of=f"{asked.name}: {way.beside}" if way.beside else "",
        judged_by=asked.judged_by,
    )
