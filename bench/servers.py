"""The table of servers: one row each.

To add a row, add a `Server` to `SERVERS`; a server written for the table goes into `apps/`. The
rows for the interfaces of Python are made in `interfaces.py`, those for other loads in `loads.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import interfaces
import loads
from launch import WrongAnswer
from row import REFERENCE, Server

GUNICORN = ("{python}", "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1") + (
    "--no-control-socket",
    "--log-level",
    "error",
)

# Neighbours are measured one after the other, so rows that are to be compared stand together.
SERVERS = (
    Server(
        "floor (C epoll)",
        ("{floor}", "127.0.0.1:{port}"),
        "no server: an epoll loop with a canned answer",
    ),
    Server(
        REFERENCE,
        ("{native}", "127.0.0.1:{port}"),
        "Rust async handler, inside the reactor",
    ),
    Server(
        "oxbridge python",
        ("{apps}", "oxbridge_hello.py", "{port}", "blocking"),
        "Python handler (w, req), which may block",
        needs=("oxbridge",),
    ),
    Server(
        "oxbridge python blocking=False",
        ("{apps}", "oxbridge_hello.py", "{port}", "inline"),
        "Python handler (w, req) that promises not to block",
        needs=("oxbridge",),
    ),
    Server(
        "oxbridge C inline",
        ("{c_hello}", "127.0.0.1:{port}"),
        "C handler that promises not to block, inside the reactor",
        path="/inline",
    ),
    # What was tried for it, and for Go, is in README.md.
    Server(
        "libmicrohttpd",
        ("{libmicrohttpd}", "127.0.0.1:{port}"),
        "C handler in the one thread of its epoll loop",
    ),
    Server(
        "oxbridge C",
        ("{c_hello}", "127.0.0.1:{port}"),
        "C handler on the crew's threads, which may block",
    ),
    Server(
        "oxbridge native blocking",
        ("{native}", "127.0.0.1:{port}"),
        "Rust handler on the crew's threads, which may block",
        path="/blocking",
    ),
    Server(
        "go net/http",
        ("{net_http}", "127.0.0.1:{port}"),
        "Go handler, a goroutine for each connection",
    ),
    Server(
        "axum",
        ("{axum}", "127.0.0.1:{port}"),
        "async handler, one thread",
    ),
    Server(
        "oxbridge python async",
        ("{apps}", "oxbridge_hello.py", "{port}", "async"),
        "Python coroutine (w, req)",
        needs=("oxbridge",),
    ),
    # Gunicorn's best on one core: less CPU per request than sync, about 1.7 times its requests/s
    # at 100 connections. README.md says what was tried.
    Server(
        "gunicorn gthread + Flask",
        (*GUNICORN, "--worker-class", "gthread", "--threads", "4", "--keep-alive", "60")
        + ("flask_hello:app",),
        "one worker with four threads, keep-alive",
        needs=("gunicorn", "flask"),
    ),
    Server(
        "gunicorn sync + Flask",
        (*GUNICORN, "--worker-class", "sync", "flask_hello:app"),
        "one sync worker: no keep-alive, a connection for each request",
        needs=("gunicorn", "flask"),
        default=False,
    ),
    Server(
        "werkzeug + Flask",
        ("{python}", "werkzeug_server.py", "{port}"),
        "Werkzeug's own server, a thread for each connection, no log of requests",
        needs=("werkzeug", "flask"),
    ),
    *interfaces.rows(),
    *loads.rows(),
)

TABLES = ("hello", "python", "loads")
"""What the rows are divided into; see `table_of`."""
PYTHON = {workload.name for workload in interfaces.WORKLOADS}


def table_of(row: Server) -> str:
    """The table that a row belongs to: hello everywhere, Python's interfaces, or other loads."""
    return "hello" if not row.workload else "python" if row.workload in PYTHON else "loads"


def select(only: Sequence[str], tables: Iterable[str] = ("hello",)) -> list[Server]:
    """Rows whose name contains one of the texts, in the table's order; without any, the default.

    `tables` are those of `TABLES` that are chosen from; the others are looked through for a text
    that fits nothing there. Rows that others are compared with
    are always among them, because ratios need them. Raises ValueError for a text that fits no row.
    """
    tables = [*tables]
    chosen = [row for row in SERVERS if not only and row.default and table_of(row) in tables]
    for text in only:
        named = [row for row in SERVERS if text.lower() in row.name.lower()]
        if not named:
            names = ", ".join(row.name for row in SERVERS)
            raise ValueError(f"no row is called {text!r}; there are: {names}")
        chosen += [row for row in named if table_of(row) in tables] or named
    needed = {row.compared_with for row in chosen}
    return [row for row in SERVERS if row in chosen or row.name in needed]


def named(name: str) -> Server:
    """The row of exactly this name, everything that it needs installed. Raises WrongAnswer."""
    row = next((row for row in SERVERS if row.name == name), None)
    if row is None:
        raise WrongAnswer("there is no such row (--list names them)")
    if missing := row.missing():
        raise WrongAnswer(f"not installed: {', '.join(missing)} (`make bench` installs them)")
    return row
