"""Runs tests of the interfaces with the server on the newest CPython of this machine.

    python tools/run_on_newest.py TEST ...

The tests run here, and the servers that they start there: the fast path of ASGI, eager tasks, is in
3.12 and later. Builds the extension module for that interpreter, without optimisation. Where there
is none that is newer than the one that runs this file, all the tests are one `NOT RUN:` line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import interpreters
from clib_cargo import target_dir

ROOT = Path(__file__).resolve().parent.parent
# What is looked for, newest first.
VERSIONS = ((3, 14), (3, 13), (3, 12))


def main(tests: list[str]) -> int:
    """Build, run the tests, and return pytest's exit code."""
    wanted = [version for version in VERSIONS if version > sys.version_info[:2]]
    found = interpreters.newest(wanted)
    if found is None:
        oldest = ".".join(map(str, wanted[-1] if wanted else VERSIONS[0]))
        print(f"NOT RUN: {' '.join(tests)} on the newest CPython (needs {oldest} or newer)")
        return 0
    interpreter, version = found
    print(f"servers run on CPython {'.'.join(map(str, version))}: {interpreter}", flush=True)
    settings = {
        "OXBRIDGE_TEST_PYTHON": interpreter,
        "OXBRIDGE_TEST_PYTHONPATH": str(_package(interpreter)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *tests],
        cwd=ROOT,
        env={**os.environ, **settings},
        check=False,
    )
    return done.returncode


def _package(interpreter: str) -> Path:
    """Put the package together for an interpreter; returns the directory that it is in."""
    build = ["cargo", "build", "--package", "oxbridge-python"]
    locked = ["--locked"] if os.environ.get("CI") else []
    subprocess.run(
        build + locked, cwd=ROOT, env={**os.environ, "PYO3_PYTHON": interpreter}, check=True
    )
    suffix = subprocess.run(
        [interpreter, "-c", "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    place = target_dir() / "newest"
    shutil.rmtree(place, ignore_errors=True)
    package = place / "oxbridge"
    # The module for the interpreter that runs this stays behind.
    shutil.copytree(
        ROOT / "python" / "oxbridge", package, ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    shutil.copy2(target_dir() / "debug" / "lib_oxbridge.so", package / f"_oxbridge{suffix}")
    return place


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if sys.argv[1:] else __doc__)
