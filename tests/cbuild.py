"""The C libraries as a program's author meets them: laid out, and compiled against.

A test file's conftest.py takes the fixtures over by name:

    from cbuild import c_prefix, compile_c, pytest_collection_modifyitems

OXBRIDGE_C_PREFIX names a tree that is laid out already; otherwise the first test that asks has
tools/clib.py build it, unless `make test` has: minutes in a clean checkout, a second later on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import pytest

import programs
from serving import ROOT

__all__ = [
    "CompileC",
    "Prefix",
    "c_prefix",
    "clib",
    "compile_c",
    "compiler_path",
    "pytest_collection_modifyitems",
]

# What a build in a clean checkout may take, in seconds.
BUILD_BOUND = 1200
# Cargo's profile for the libraries under test.
PROFILE = "quick"


# Hook of the conftest.py that imports it


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the bound of a test that needs the libraries begin once they are built."""
    bound = float(config.getini("timeout"))
    for item in items:
        needs = "c_prefix" in getattr(item, "fixturenames", ())
        if needs and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(bound, func_only=True))


@dataclass(frozen=True)
class Prefix:
    """A tree of headers and libraries, as `make install` lays it out."""

    root: Path

    @property
    def include(self) -> Path:
        """Where oxbridge.h, oxbridge.hpp and libgohttp.h are."""
        return self.root / "include"

    @property
    def lib(self) -> Path:
        """Where liboxbridge.so, liboxbridge.a, libgohttp.so and libgohttp.a are."""
        return self.root / "lib"

    def environment(self) -> dict[str, str]:
        """Variables with which the dynamic linker, pkg-config and CMake find the libraries here."""
        return {
            **os.environ,
            "LD_LIBRARY_PATH": str(self.lib),
            "PKG_CONFIG_PATH": str(self.lib / "pkgconfig"),
            "CMAKE_PREFIX_PATH": str(self.root),
        }

    @cached_property
    def static_needs(self) -> tuple[str, ...]:
        """Libraries of the system that a static link adds."""
        stated = (self.lib / "pkgconfig" / "oxbridge.pc").read_text(encoding="utf-8")
        (line,) = (at for at in stated.splitlines() if at.startswith("Libs.private:"))
        return tuple(line.removeprefix("Libs.private:").split())


class CompileC(Protocol):
    """Compiles and links C, or C++ by the file's suffix, and returns the program."""

    def __call__(
        self,
        *sources: Path,
        library: str = "oxbridge",
        static: bool = False,
        compiler: str = "gcc",
        flags: Sequence[str] = (),
        name: str | None = None,
    ) -> Path: ...


@pytest.fixture(scope="session")
def c_prefix() -> Prefix:
    """The C libraries, optimised, laid out once for the whole run."""
    if there := os.environ.get("OXBRIDGE_C_PREFIX"):
        return Prefix(Path(there))
    # What embeds Python has a fixture of its own, in tests/embed_c.
    return Prefix(clib("build", "--profile", PROFILE, "--only", "oxbridge", "--only", "gohttp"))


@pytest.fixture
def compile_c(c_prefix: Prefix, tmp_path: Path) -> CompileC:
    """Compile programs against the libraries: `compile_c(source, static=True, compiler="clang")`.

    A shared library is found at run time without any setting. Compilers go by their name for C:
    clang++ is taken for C++ sources. Warnings are errors.
    """

    def compile_(
        *sources: Path,
        library: str = "oxbridge",
        static: bool = False,
        compiler: str = "gcc",
        flags: Sequence[str] = (),
        name: str | None = None,
    ) -> Path:
        program = tmp_path / (name or sources[0].stem)
        plus_plus = any(source.suffix in (".cc", ".cpp") for source in sources)
        command = [
            compiler_path(compiler, plus_plus=plus_plus),
            "-g",
            "-Wall",
            "-Wextra",
            "-Werror",
        ]
        command += [*flags, f"-I{c_prefix.include}", *map(str, sources), "-o", str(program)]
        if static:
            command += [str(c_prefix.lib / f"lib{library}.a"), *c_prefix.static_needs]
        else:
            command += [f"-L{c_prefix.lib}", f"-l{library}", f"-Wl,-rpath,{c_prefix.lib}"]
        subprocess.run([*command, "-pthread"], check=True)
        return program

    return compile_


def compiler_path(compiler: str, *, plus_plus: bool = False) -> str:
    """Path of gcc or clang, or of its C++ half. The test skips where it is missing."""
    named = {"gcc": "g++", "clang": "clang++"}[compiler] if plus_plus else compiler
    return programs.find(named) or pytest.skip(f"needs {named}")


def clib(*arguments: str) -> Path:
    """Run tools/clib.py; it says last where it laid the libraries out."""
    # Its own output, a compiler's included, is shown only if a test fails.
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "clib.py"), *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None,
        text=True,
        timeout=BUILD_BOUND,
        check=False,
    )
    assert done.returncode == 0, f"clib.py {' '.join(arguments)}:\n{done.stdout}"
    return Path(done.stdout.splitlines()[-1])
