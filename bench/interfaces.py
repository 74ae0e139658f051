"""The rows for the interfaces of Python: every workload on every server that speaks its interface.

`WORKLOADS` says what is asked for, `WAYS` how a server is started for an interface; each pair that
fits is a row, called "workload: server". To add a peer, add a `Way`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from load import posted
from row import FEW_CONNECTIONS, HELLO, HELLO_CONNECTIONS, Server

OURS = "oxbridge"
"""The server that the others of a workload are compared with."""

JSON = b'{"message":"Hello, world."}'


@dataclass(frozen=True)
class Workload:
    """What rows are asked for, and of which app. `also` are distributions that the app needs."""

    name: str
    interface: str
    app: str
    path: str = "/"
    body: bytes = HELLO
    sends: int = 0
    websocket: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """How a server is started for an interface.

    `{app}` in the command stands for the app, `{ws}` for "--ws" where WebSockets are asked for and
    "--no-ws" elsewhere. A way that is not `default` was tried, and is slower than another of the
    same server. `only_websockets` is for what differs in nothing else. `own_app` has the server's
    own interface and only what the plain apps have. `fails` names workloads that it answers
    wrongly, which README.md describes: they are no rows.
    """

    server: str
    interface: str
    command: tuple[str, ...]
    about: str
    needs: tuple[str, ...]
    default: bool = True
    websockets: bool = True
    only_websockets: bool = False
    own_app: bool = False
    fails: tuple[str, ...] = ()

    def fits(self, workload: Workload) -> bool:
        """Whether it can serve the workload."""
        return (
            self.interface == workload.interface
            and (self.websockets or not workload.websocket)
            and (workload.websocket or not self.only_websockets)
            and not (self.own_app and workload.also)
            and workload.name not in self.fails
        )


def _echo(name: str, interface: str, app: str, length: int) -> Workload:
    return Workload(name, interface, app, "/echo", posted(length), sends=length)


WORKLOADS = (
    Workload("WSGI hello", "wsgi", "plain_wsgi:app"),
    _echo("WSGI echo of 1 KiB", "wsgi", "plain_wsgi:app", 1024),
    _echo("WSGI echo of 10 KiB", "wsgi", "plain_wsgi:app", 10240),
    Workload("Flask hello", "wsgi", "flask_hello:app", also=("flask",)),
    Workload("Flask JSON", "wsgi", "flask_hello:app", "/json", JSON + b"\n", also=("flask",)),
    Workload("ASGI hello", "asgi", "plain_asgi:app"),
    _echo("ASGI echo of 1 KiB", "asgi", "plain_asgi:app", 1024),
    _echo("ASGI echo of 10 KiB", "asgi", "plain_asgi:app", 10240),
    # 16 pieces of 4 KiB.
    Workload("ASGI stream of 64 KiB", "asgi", "plain_asgi:app", "/stream", bytes(range(256)) * 256),
    Workload("WebSocket echo", "asgi", "plain_asgi:app", "/ws", websocket=True),
    Workload("FastAPI JSON", "asgi", "fastapi_hello:app", "/json", JSON, also=("fastapi",)),
    Workload("RSGI hello", "rsgi", "plain_rsgi:app"),
    Workload("RSGI WebSocket echo", "rsgi", "plain_rsgi:app", "/ws", websocket=True),
)

HELLOS = ("WSGI hello", "ASGI hello", "RSGI hello")

AT = ("--host", "127.0.0.1", "--port", "{port}", "--workers", "{workers}")


def oxbridge(app: str, interface: str, *options: str) -> tuple[str, ...]:
    """The command that serves an app with ours. Those of the peers have what was best for them."""
    return ("{apps}", "-m", "oxbridge", "serve", app, "--interface", interface) + (
        *AT,
        "--no-access-log",
        *options,
    )


def granian(
    app: str, interface: str, mode: str, *options: str, threads: str = "1"
) -> tuple[str, ...]:
    """The same for granian. WebSockets and the version of HTTP are for the options to say."""
    command: tuple[str, ...] = ("{apps}", "-m", "granian", app, "--interface", interface, *AT)
    command += ("--runtime-threads", "1", "--runtime-mode", mode, "--blocking-threads", threads)
    return (*command, "--loop", "uvloop", "--no-access-log", "--log-level", "error", *options)


def gunicorn(app: str, worker: str, *options: str) -> tuple[str, ...]:
    """The same for gunicorn."""
    command: tuple[str, ...] = ("{apps}", "-m", "gunicorn", app, "--bind", "127.0.0.1:{port}")
    command += ("--workers", "{workers}", "--worker-class", worker, "--no-control-socket")
    return (*command, "--log-level", "error", "--http-parser", "fast", *options)


def uvicorn(app: str, *options: str) -> tuple[str, ...]:
    """The same for uvicorn."""
    command: tuple[str, ...] = ("{apps}", "-m", "uvicorn", app, *AT, "--loop", "uvloop")
    command += ("--http", "httptools", "--no-access-log", "--log-level", "warning")
    return (*command, *options)


def hypercorn(app: str, *options: str) -> tuple[str, ...]:
    """The same for hypercorn."""
    command: tuple[str, ...] = ("{apps}", "-m", "hypercorn", app, "--bind", "127.0.0.1:{port}")
    command += ("--workers", "{workers}", "--worker-class", "uvloop", "--log-level", "error")
    return (*command, *options)


def fastpysgi(app: str) -> tuple[str, ...]:
    """The same for fastpysgi."""
    return ("{apps}", "fastpysgi_server.py", app, "{port}", "{workers}")


NEEDS = {
    "oxbridge": ("oxbridge",),
    "granian": ("granian", "uvloop"),
    "gunicorn": ("gunicorn", "gunicorn-h1c"),
    "uvicorn": ("uvicorn", "uvloop", "httptools"),
    "hypercorn": ("hypercorn", "uvloop"),
    "fastpysgi": ("fastpysgi",),
}
"""The distributions that each of them needs so."""


def _oxbridge(interface: str) -> Way:
    about = f"oxbridge serve, {interface.upper()}"
    return Way(OURS, interface, oxbridge("{app}", interface), about, NEEDS["oxbridge"])


def _granian(interface: str, mode: str) -> Way:
    command = granian("{app}", interface, mode, "--http", "1", "{ws}")
    about = f"{interface.upper()}, runtime mode {mode}, one thread each, uvloop"
    needs, websockets = NEEDS["granian"], interface != "wsgi"
    return Way(f"granian {mode}", interface, command, about, needs, websockets=websockets)


def _gunicorn(worker: str, interface: str, *options: str, about: str, default: bool = True) -> Way:
    command = gunicorn("{app}", worker, *options)
    return Way(f"gunicorn {worker}", interface, command, about, NEEDS["gunicorn"], default)


# Uvicorn's implementations of WebSockets, all in Python.
SOCKETS = ("websockets-sansio", "wsproto", "websockets")
BEST_SOCKETS = "websockets-sansio"


def _uvicorn(sockets: str, *, default: bool) -> Way:
    return Way(
        "uvicorn" if default else f"uvicorn {sockets}",
        "asgi",
        uvicorn("{app}", "--ws", sockets),
        f"uvloop, httptools, {sockets}",
        (*NEEDS["uvicorn"], "websockets"),
        default,
        only_websockets=not default,
    )


def _hypercorn() -> Way:
    return Way("hypercorn", "asgi", hypercorn("{app}"), "uvloop, no logs", NEEDS["hypercorn"])


def _socketify(interface: str) -> Way:
    command: tuple[str, ...] = ("{apps}", "-m", "socketify", "{app}", *AT, "--interface", interface)
    command += ("--disable-listen-log", "True")
    return Way("socketify", interface, command, f"{interface.upper()}", ("socketify",))


def _fastpysgi(interface: str) -> Way:
    fails = ("ASGI echo of 1 KiB", "ASGI echo of 10 KiB", "ASGI stream of 64 KiB")
    return Way(
        "fastpysgi",
        interface,
        fastpysgi("{app}"),
        f"{interface.upper()}, errors logged only, Nagle off",
        NEEDS["fastpysgi"],
        websockets=False,
        fails=fails,
    )


# Neighbours are measured one after the other: what is to be told apart stands together.
WAYS = (
    *(_oxbridge(interface) for interface in ("wsgi", "asgi", "rsgi")),
    *(_granian(i, mode) for i in ("wsgi", "asgi", "rsgi") for mode in ("st", "mt")),
    _gunicorn("sync", "wsgi", about="sync worker, C parser: a connection for each request"),
    _gunicorn(
        "gthread",
        "wsgi",
        *("--threads", "4", "--keep-alive", "60"),
        about="four threads a worker, C parser, keep-alive",
    ),
    _fastpysgi("wsgi"),
    _socketify("wsgi"),
    *(_uvicorn(name, default=name == BEST_SOCKETS) for name in SOCKETS),
    _gunicorn(
        "asgi",
        "asgi",
        *("--asgi-loop", "uvloop", "--keep-alive", "60"),
        about="native ASGI worker, C parser, uvloop",
    ),
    _fastpysgi("asgi"),
    _socketify("asgi"),
    _hypercorn(),
    Way(
        "robyn",
        "asgi",
        ("{robyn}", "robyn_server.py", "{port}", "{workers}"),
        "its own interface: a coroutine for each path, one worker thread a process",
        ("robyn", "uvloop"),
        own_app=True,
    ),
)


def rows() -> Iterator[Server]:
    """Make the rows, workload by workload, ours first."""
    for workload in WORKLOADS:
        for way in WAYS:
            if way.fits(workload):
                yield _row(workload, way)


def _row(workload: Workload, way: Way) -> Server:
    filled = {"{app}": workload.app, "{ws}": "--ws" if workload.websocket else "--no-ws"}
    return Server(
        f"{workload.name}: {way.server}",
        tuple(filled.get(part, part) for part in way.command),
        way.about,
        workload.path,
        workload.body,
        (*way.needs, *workload.also),
        default=way.default,
        sends=workload.sends,
        websocket=workload.websocket,
        workload=workload.name,
        compared_with=f"{workload.name}: {OURS}",
        connections=HELLO_CONNECTIONS if workload.name in HELLOS else FEW_CONNECTIONS,
    )
