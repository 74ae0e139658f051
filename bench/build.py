"""The programs that are built before they are measured, or that make the load."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from machine import ROOT, says

sys.path.insert(0, str(ROOT / "tools"))
import clib_cargo
import programs

BENCH = Path(__file__).resolve().parent
AXUM = BENCH / "peers" / "axum"


class CannotBuild(Exception):
    """A program of the table does not compile. The text is for the reader."""


@dataclass(frozen=True)
class Program:
    """A program that is built before it is measured, and what to say about its versions."""

    build: Callable[[], Path]
    version: Callable[[], str]


@functools.cache
def native() -> Path:
    """The Rust handlers, built in release mode. OXBRIDGE_NATIVE names a program already built."""
    return _example("oxbridge", "native", "OXBRIDGE_NATIVE")


@functools.cache
def embed() -> Path:
    """The example of Python inside an axum program. OXBRIDGE_EMBED names one already built."""
    return _example("oxbridge-embed", "embed", "OXBRIDGE_EMBED")


@functools.cache
def cache_node() -> Path:
    """A node of the cache. OXBRIDGE_CACHE_NODE names one already built."""
    return _example("oxbridge-cache", "one_node", "OXBRIDGE_CACHE_NODE")


@functools.cache
def go_cache_node() -> Path:
    """A node of golang/groupcache."""
    return _go("groupcache", "node")


@functools.cache
def go_cache_library() -> Path:
    """golang/groupcache for ctypes."""
    return _go("groupcache", "lib", "-buildmode=c-shared")


def _example(package: str, name: str, setting: str) -> Path:
    """Build an example in release mode, unless a setting names a program."""
    if built := os.environ.get(setting):
        return Path(built)
    command = ["cargo", "build", "--release", "-p", package, "--example", name]
    command += ["--message-format", "json-render-diagnostics"]
    command += ["--locked"] if os.environ.get("CI") else []
    done = _build(command)
    # Cargo itself says where it put the program: its target directory has many settings.
    for line in done.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == name:
            return Path(message["executable"])
    raise CannotBuild(f"cargo names no program for the example `{name}`")


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
def ws_echo() -> Path:
    """The load generator for WebSocket echoes."""
    return _compile("load_generators/ws_echo.c")


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
    return _go("net_http", ".")


@functools.cache
def axum() -> Path:
    """A hello for axum, a Cargo package of its own."""
    target = clib_cargo.target_dir() / "bench" / "axum"
    command = ["cargo", "build", "--release", "--manifest-path", str(AXUM / "Cargo.toml")]
    command += ["--locked"] if os.environ.get("CI") else []
    _build([*command, "--target-dir", str(target)])
    return target / "release" / "axum_hello"


def _go(module: str, package: str, *options: str) -> Path:
    go = programs.find("go")
    if go is None:
        raise CannotBuild("Go is missing: python tools/programs.py install")
    program = _program(module if package == "." else f"{module}_{package}")
    # Go would ask git about the state of the tree, and fail where git does not answer.
    build = [go, "-C", str(BENCH / "peers" / module), "build", "-buildvcs=false", *options]
    _build([*build, "-o", str(program), f"./{package}"])
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


def _rust_versions() -> str:
    rustc = says(["rustc", "--version"], r"(rustc \S+)")
    return f"oxbridge {clib_cargo.version()}, {rustc}"


def _axum_version() -> str:
    lock = tomllib.loads((AXUM / "Cargo.lock").read_text("utf-8"))
    found = {package["name"]: package["version"] for package in lock["package"]}
    rustc = says(["rustc", "--version"], r"(rustc \S+)")
    return f"axum {found['axum']}, hyper {found['hyper']}, {rustc}"


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
    "axum": Program(axum, _axum_version),
    "net_http": Program(net_http, _go_version),
}
