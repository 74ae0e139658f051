"""libgohttp as tests use it: programs compiled against it, processes that end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import libgohttp
import pytest
from hosted import Host, Hosted
from libgohttp import Library

from cbuild import Prefix, c_prefix, pytest_collection_modifyitems

__all__ = ["c_prefix", "pytest_collection_modifyitems"]


@pytest.fixture(scope="session")
def library(c_prefix: Prefix) -> Library:
    """The shared library and the archive."""
    return Library(c_prefix.lib / "libgohttp.so", c_prefix.lib / "libgohttp.a")


@pytest.fixture
def host() -> Iterator[Host]:
    """Start programs: `host([program])`. They are killed and reaped after the test."""
    started: list[Hosted] = []

    def start(command: Sequence[str | Path], *, sockets: int = 1, **env: str) -> Hosted:
        started.append(Hosted(command, sockets=sockets, **env))
        return started[-1]

    yield start
    for hosted in reversed(started):
        hosted.kill()
        print(f"-- {hosted.process.args!r} wrote:\n{hosted.stderr}", file=sys.stderr)


@pytest.fixture
def host_c(library: Library, host: Host, tmp_path: Path) -> Callable[..., Hosted]:
    """Compile and start a program of the folder c: `host_c("hello.c")`."""

    def start(source: str, *, static: bool = False, header: Path = libgohttp.ORIGINAL) -> Hosted:
        target = tmp_path / source.removesuffix(".c")
        return host([library.compile(source, target, static=static, header=header)])

    return start


@pytest.fixture
def host_python(library: Library, host: Host) -> Callable[..., Hosted]:
    """Start a program of the folder py, with the library's path as its first argument."""

    def start(source: str, *, sockets: int = 1, **env: str) -> Hosted:
        script = libgohttp.HERE / "py" / source
        return host([sys.executable, script, library.shared], sockets=sockets, **env)

    return start
