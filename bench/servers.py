"""The table of servers: one row each, and how the programs among them are built.

To add a row, add a `Server` to `SERVERS`; a server written for the table goes into `apps/`.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from machine import ROOT, says

sys.path.insert(0, str(ROOT / "tools"))
import clib_cargo
import programs

BENCH = Path(__file__).resolve().parent
APPS = BENCH / "apps"

HELLO = b"Hello, world.\n"
"""What every server of the table answers."""

REFERENCE = "oxbridge native"
"""The row that the others are compared with."""


class CannotBuild(Exception):
    """A program of the table does not compile. The text is for the reader."""


@dataclass(frozen=True)
class Program:
    """A program that is built before it is measured, and what to say about its versions."""

    build: Callable[[], Path]
    version: Callable[[], str]


@dataclass(frozen=True)
class Server:
    """One row: a server, how it is started and what it is asked for.

    In `command`, `{port}` stands for the port to listen on, `{python}` for the interpreter that
    runs the benchmark, and the names in `PROGRAMS` for programs that are built first. It is started
    in `apps/`. `needs` are PyPI distributions: where one is missing, the row says so. Rows that are
    not `default` are measured only when `--only` names them.
    """

    name: str
    command: tuple[str, ...]
    about: str
    path: str = "/"
    body: bytes = HELLO
    needs: tuple[str, ...] = ()
    default: bool = True

    def command_line(self, port: int) -> list[str]:
        """Fill in the command, building what it needs first. Raises CannotBuild."""
        filled = {"port": str(port), "python": sys.executable}
        for name, program in PROGRAMS.items():
            if f"{{{name}}}" in self.command:
                filled[name] = str(program.build())
        return [part.format_map(filled) for part in self.command]

    def missing(self) -> list[str]:
        """Distributions that are not installed."""
        return [name for name in self.needs if _version(name) is None]

    def versions(self) -> str:
        """What exactly is measured, in one line."""
        parts = [f"{name} {_version(name) or 'not installed'}" for name in self.needs]
        parts += [p.version() for name, p in PROGRAMS.items() if f"{{{name}}}" in self.command]
        if "{python}" in self.command:
            parts.append(f"{platform.python_implementation()} {platform.python_version()}")
        return ", ".join(parts)


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
        ("{python}", "oxbridge_hello.py", "{port}", "blocking"),
        "Python handler (w, req), which may block",
        needs=("oxbridge",),
    ),
    Server(
        "oxbridge python blocking=False",
        ("{python}", "oxbridge_hello.py", "{port}", "inline"),
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
        "oxbridge python async",
        ("{python}", "oxbridge_hello.py", "{port}", "async"),
        "Python coroutine (w, req)",
        needs=("oxbridge",),
        default=False,
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
)


def select(only: Iterable[str]) -> list[Server]:
    """Rows whose name contains one of the texts, in the table's order; without any, the default.

    The reference is always among them, because ratios need it. Raises ValueError for a text that
    fits no row.
    """
    wanted = [text.lower() for text in only]
    if not wanted:
        return [row for row in SERVERS if row.default]
    for text in wanted:
        if not any(text in row.name.lower() for row in SERVERS):
            names = ", ".join(row.name for row in SERVERS)
            raise ValueError(f"no row is called {text!r}; there are: {names}")
    return [
        row
        for row in SERVERS
        if row.name == REFERENCE or any(text in row.name.lower() for text in wanted)
    ]


@functools.cache
def native() -> Path:
    """The Rust handlers, built in release mode. OXBRIDGE_NATIVE names a program already built."""
    if built := os.environ.get("OXBRIDGE_NATIVE"):
        return Path(built)
    command = ["cargo", "build", "--release", "-p", "oxbridge", "--example", "native"]
    command += ["--message-format", "json-render-diagnostics"]
    command += ["--locked"] if os.environ.get("CI") else []
    done = _build(command)
    # Cargo itself says where it put the program: its target directory has many settings.
    for line in done.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "native":
            return Path(message["executable"])
    raise CannotBuild("cargo names no program for the example `native`")


@functools.cache
def floor() -> Path:
    """The bare epoll loop, compiled as a C programmer would."""
    return _compile("floor/floor_epoll.c")


@functools.cache
def c_hello() -> Path:
    """The handlers of the table in C, linked with the library as its users would."""
    return _compile("capi/hello.c", *_oxbridge_for_c())


@functools.cache
def c_checks() -> Path:
    """The handlers in C that the checks load."""
    return _compile("capi/checks.c", *_oxbridge_for_c(), "-pthread")


@functools.cache
def libmicrohttpd() -> Path:
    """A hello for libmicrohttpd."""
    if programs.find("libmicrohttpd") is None:
        raise CannotBuild(
            "libmicrohttpd is missing (Debian, Ubuntu: apt install libmicrohttpd-dev)"
        )
    return _compile("peers/mhd_hello.c", "-lmicrohttpd")


@functools.cache
def net_http() -> Path:
    """A hello for Go's own server."""
    go = programs.find("go")
    if go is None:
        raise CannotBuild("Go is missing: python tools/programs.py install")
    program = _program("net_http")
    # Go would ask git about the state of the tree, and fail where git does not answer.
    build = [go, "-C", str(BENCH / "peers" / "net_http"), "build", "-buildvcs=false"]
    _build([*build, "-o", str(program), "."])
    return program


@functools.cache
def _oxbridge_for_c() -> tuple[str, ...]:
    """Build the C library in release mode; return what a compiler must be told.

    OXBRIDGE_C_PREFIX names a tree with the library already built.
    """
    prefix = os.environ.get("OXBRIDGE_C_PREFIX")
    if not prefix:
        command = [sys.executable, str(ROOT / "tools" / "clib.py"), "build", "--only", "oxbridge"]
        # It says last where it laid the library out.
        prefix = _build(command).splitlines()[-1]
    return f"-I{prefix}/include", f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib", "-loxbridge"


def _compile(source: str, *links: str) -> Path:
    program = _program(source.removesuffix(".c").replace("/", "_"))
    options = ["-std=c11", "-O2", "-Wall", "-Wextra"]
    _build(["cc", *options, "-o", str(program), str(BENCH / source), *links])
    return program


def _program(name: str) -> Path:
    """Where a program of the table is put once it is built."""
    program = clib_cargo.target_dir() / "bench" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    return program


def _build(command: list[str]) -> str:
    """Run a compiler, its complaints shown as they come; return its standard output."""
    print("building:", " ".join(command[:7]), file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as failure:
        raise CannotBuild(str(failure)) from failure
    return done.stdout


@functools.cache
def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _rust_versions() -> str:
    rustc = says(["rustc", "--version"], r"(rustc \S+)")
    return f"oxbridge {clib_cargo.version()}, {rustc}"


def _c_versions() -> str:
    return f"{_rust_versions()}, {_cc_version()}"


def _cc_version() -> str:
    return says(["cc", "--version"])


def _libmicrohttpd_version() -> str:
    version = says(["pkg-config", "--modversion", "libmicrohttpd"], r"^(\d[\d.]*)$")
    return f"libmicrohttpd {version}, {_cc_version()}"


def _go_version() -> str:
    return says([programs.find("go") or "go", "version"], r"(go1\S+)")


PROGRAMS = {
    "native": Program(native, _rust_versions),
    "c_hello": Program(c_hello, _c_versions),
    "floor": Program(floor, _cc_version),
    "libmicrohttpd": Program(libmicrohttpd, _libmicrohttpd_version),
    "net_http": Program(net_http, _go_version),
}
