"""The interpreters of a machine: on PATH, and below pyenv's root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

Version = tuple[int, int]


def newest(versions: Iterable[Version]) -> tuple[str, Version] | None:
    """Find an interpreter of the first of these versions that is there, with a global lock."""
    for version in versions:
        for candidate in _candidates(version):
            if _version_of(candidate) == version:
                return candidate, version
    return None


def _candidates(version: Version) -> Iterator[str]:
    """Interpreters of a version. Some may not run."""
    name = ".".join(map(str, version))
    if (found := shutil.which(f"python{name}")) is not None:
        yield found
    root = os.environ.get("PYENV_ROOT")
    for place in sorted(Path(root or Path.home() / ".pyenv").glob(f"versions/{name}*")):
        # Free-threaded builds are another matter.
        if not place.name.endswith("t"):
            yield str(place / "bin" / "python")


def _version_of(interpreter: str) -> Version | None:
    """Major and minor version. None if it does not run, as a shim of pyenv may not."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [interpreter, "-c", code], capture_output=True, text=True, timeout=20, check=False
        )
        major, minor = map(int, done.stdout.split())
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return major, minor
