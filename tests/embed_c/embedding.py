"""liboxbridge_embed as a program's author meets it: laid out, and compiled against."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from cbuild import Prefix, clib, compiler_path

HERE = Path(__file__).parent
STRICT = ("-g", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread")


def lay_out() -> Prefix:
    """Build the library as the Rust tests of crates/embed are built: they share the work."""
    if there := os.environ.get("OXBRIDGE_EMBED_PREFIX"):
        return Prefix(Path(there))
    return Prefix(clib("build", "--only", "oxbridge_embed", "--profile", "dev"))


@pytest.fixture(scope="session")
def embed_prefix() -> Prefix:
    """The library, its header and its pkg-config file, laid out once for the whole run."""
    return lay_out()


def compile_program(
    prefix: Prefix,
    program: Path,
    sources: Sequence[Path],
    *flags: str,
    compiler: str = "gcc",
) -> Path:
    """Compile C files against the library, which the program finds without any setting."""
    command = [compiler_path(compiler), *STRICT, *flags, f"-I{prefix.include}"]
    command += [*map(str, sources), f"-L{prefix.lib}", "-loxbridge_embed"]
    command += [f"-Wl,-rpath,{prefix.lib}", "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def settings(**more: str) -> dict[str, str]:
    """Variables for a program of these tests: Python's objects are malloc's, for those who look."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    # Bytecode that one run leaves is a file that the next one reads, or not.
    fixed = {"PYTHONMALLOC": "malloc", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**inherited, "WORKERS": str(HERE / "workers"), **fixed, **more}
