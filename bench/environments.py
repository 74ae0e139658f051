"""The environments that Python servers are measured in: the newest CPython, and pinned peers.

    python bench/environments.py make NAME     makes the environment, empty but for pip

`make bench` makes them and installs `tools/requirements-bench-NAME.txt`. `apps` has Oxbridge as
well. A peer that pins what others need in another version has an environment of its own. Without
CPython 3.13 or newer they are made with the interpreter that runs this file.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys

from machine import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import interpreters

NAMES = ("apps", "robyn")
HERE = ROOT / ".venv-bench"

# The oldest version that is good enough to look no further, newest first.
VERSIONS = ((3, 14), (3, 13))

ASK = """
import importlib.metadata, json, platform, re
name = lambda d: re.sub("[-_.]+", "-", d.metadata["Name"]).lower()
found = {name(d): d.version for d in importlib.metadata.distributions()}
about = f"{platform.python_implementation()} {platform.python_version()}"
print(json.dumps({"about": about, "distributions": found}))
"""


def python(name: str) -> str:
    """The interpreter of an environment. OXBRIDGE_BENCH_PYTHON names one to use for all of them."""
    return os.environ.get("OXBRIDGE_BENCH_PYTHON") or str(HERE / name / "bin" / "python")


def distributions(name: str) -> dict[str, str]:
    """Versions of what is installed, by normalised name. Nothing without the environment."""
    return _facts(python(name))[1]


def about(name: str) -> str:
    """Which Python it is, for the reader."""
    return _facts(python(name))[0]


def newest() -> tuple[str, str]:
    """The interpreter to make environments with: its path, and why it was chosen."""
    found = interpreters.newest(VERSIONS)
    if found is not None:
        interpreter, (major, minor) = found
        return interpreter, f"CPython {major}.{minor} found"
    wanted = ".".join(map(str, VERSIONS[-1]))
    return sys.executable, f"no CPython {wanted} or newer found: the one that is there"


def make(name: str) -> None:
    """Make the environment anew, and say with which interpreter."""
    interpreter, why = newest()
    print(f"environment {name}: {interpreter} ({why})", file=sys.stderr)
    subprocess.run([interpreter, "-m", "venv", "--clear", str(HERE / name)], check=True)


@functools.cache
def _facts(interpreter: str) -> tuple[str, dict[str, str]]:
    try:
        done = subprocess.run([interpreter, "-c", ASK], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"no {interpreter}", {}
    said = json.loads(done.stdout)
    return said["about"], said["distributions"]


if __name__ == "__main__":
    make(sys.argv[2] if sys.argv[1:2] == ["make"] else sys.exit(__doc__))
