"""From the workspace to one shared object and one static archive for each C library.

The shared object is cargo's, with a SONAME. The archive is cargo's too, linked into a single object
in which all but the library's own functions are local: no symbol of Rust, of aws-lc or of another
dependency can meet one of the program, of OpenSSL, or of a second Rust library.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import clib_python
import programs

ROOT = Path(__file__).resolve().parent.parent
# Named, even if it is the host's: flags are for this target then, and build scripts stay plain.
SANITIZED_TARGET = "x86_64-unknown-linux-gnu"
RUNTIMES = {"address": "asan", "thread": "tsan"}
# gcc and clang add the unwinder and libc themselves, each in the form that fits: named here, they
# would stop a link with -static, for which there is no libgcc_s.
ADDED_BY_DRIVERS = frozenset({"-lgcc_s", "-lc"})


@dataclass(frozen=True)
class Library:
    """One C library: which package it is built from and what it shows."""

    name: str
    package: str
    crate: str
    soname: str
    file: str
    headers: tuple[str, ...]
    symbols: re.Pattern[str]
    # Linked with libpython, and a shared object only: a static one would bring the choice of a
    # libpython, and Python's extension modules look for its symbols in a shared one.
    is_python: bool = False


@dataclass(frozen=True)
class Built:
    """What cargo and the linker made of one library. `needs` is what a static link adds."""

    shared: Path | None
    static: Path | None
    needs: tuple[str, ...]


def version() -> str:
    """Version of the workspace, which is that of the libraries."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    return str(manifest["workspace"]["package"]["version"])


def abi(header: str = "oxbridge.h") -> int:
    """Number of a library's binary interface, as its header states it."""
    text = (ROOT / "include" / header).read_text(encoding="utf-8")
    stated = re.search(r"^#define OX[BE]_ABI (\d+)$", text, re.MULTILINE)
    if stated is None:
        sys.exit(f"include/{header} does not define the number of its binary interface")
    return int(stated[1])


def libraries() -> dict[str, Library]:
    """Describe the libraries."""
    _, minor, patch = version().split("-")[0].split(".")
    soname = f"liboxbridge.so.{abi()}"
    embed = f"liboxbridge_embed.so.{abi('oxbridge_embed.h')}"
    gohttp = "Call_HandleFunc HandleFunc ListenAndServe ResponseWriter_Write"
    gohttp += " ResponseWriter_WriteHeader Shutdown"
    return {
        "oxbridge": Library(
            name="oxbridge",
            package="oxbridge-capi",
            crate="oxbridge_capi",
            soname=soname,
            file=f"{soname}.{minor}.{patch}",
            headers=("oxbridge.h", "oxbridge.hpp"),
            symbols=re.compile(r"oxb_\w+"),
        ),
        # gohttplib's file had no number in its name, and programs built for it ask for that name.
        "gohttp": Library(
            name="gohttp",
            package="oxbridge-gohttp",
            crate="gohttp",
            soname="libgohttp.so",
            file="libgohttp.so",
            headers=("libgohttp.h",),
            symbols=re.compile(gohttp.replace(" ", "|")),
        ),
        "oxbridge_embed": Library(
            name="oxbridge_embed",
            package="oxbridge-embed-capi",
            crate="oxbridge_embed_capi",
            soname=embed,
            file=f"{embed}.{minor}.{patch}",
            headers=("oxbridge_embed.h",),
            symbols=re.compile(r"oxe_\w+"),
            is_python=True,
        ),
    }


def target_dir() -> Path:
    """Where cargo builds."""
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def build(library: Library, profile: str, sanitize: str | None) -> Built:
    """Build the library. With a sanitizer it is the plain archive alone, for linking into tests."""
    target = target_dir() / f"sanitize-{sanitize}" if sanitize else target_dir()
    out = target / (SANITIZED_TARGET if sanitize else "") / {"dev": "debug"}.get(profile, profile)
    out.mkdir(parents=True, exist_ok=True)
    # cargo keeps no note of what rustc prints, so this stays where the archive stays.
    needs = out / f"{library.package}.native-static-libs"

    command = ["cargo"]
    if sanitize:
        # -Z flags are the nightly toolchain's.
        command += ["+nightly"]
    command += ["rustc", "--package", library.package, "--profile", profile]
    kinds = "cdylib" if library.is_python else "cdylib,staticlib"
    command += ["--crate-type", "staticlib" if sanitize else kinds]
    if os.environ.get("CI"):
        command += ["--locked"]
    if sanitize:
        command += ["--target", SANITIZED_TARGET]
    if sanitize == "thread":
        # ThreadSanitizer has to see the standard library's synchronisation too.
        command += ["-Zbuild-std"]
    command += ["--"]
    if not library.is_python:
        command += ["--print", f"native-static-libs={needs}"]
    if not sanitize:
        # nodelete: the library's threads would go on in code that dlclose has unmapped.
        for option in (f"-soname,{library.soname}", "-z,nodelete"):
            command += ["-C", f"link-arg=-Wl,{option}"]
        # Valgrind's reports want names, and debuggers more than a library needs to carry.
        command += ["-C", f"strip={'debuginfo' if profile == 'dev' else 'symbols'}"]
    settings = {"CARGO_TARGET_DIR": str(target), **(_sanitizing(sanitize) if sanitize else {})}
    if library.is_python:
        python = clib_python.embeddable()
        if python is None:
            sys.exit(f"{library.name}: {clib_python.executable()} has no shared libpython")
        settings["PYO3_PYTHON"] = python.executable
        if not python.is_known:
            command += ["-C", f"link-arg=-Wl,-rpath,{python.place}"]
    _run(command, settings)

    shared, archive = out / f"lib{library.crate}.so", out / f"lib{library.crate}.a"
    if library.is_python:
        return Built(shared, None, ())
    asked = needs.read_text(encoding="utf-8").split()
    others = [flag for flag in asked if flag not in ADDED_BY_DRIVERS]
    if sanitize:
        return Built(None, archive, (*_runtime(sanitize), *others))
    return Built(shared, _close(library, shared, archive), tuple(others))


def _sanitizing(sanitizer: str) -> dict[str, str]:
    """Variables that make cargo instrument Rust and C: quick to build, reports with lines."""
    triple = SANITIZED_TARGET.replace("-", "_")
    return {
        "RUSTFLAGS": f"-Zsanitizer={sanitizer}",
        "CARGO_INCREMENTAL": "0",
        "CARGO_PROFILE_DEV_OPT_LEVEL": "1",
        "CARGO_PROFILE_DEV_DEBUG": "line-tables-only",
        f"CC_{triple}": programs.find("clang") or "clang",
        f"CFLAGS_{triple}": f"-fsanitize={sanitizer} -O1 -g0",
    }


def _runtime(sanitizer: str) -> list[str]:
    """Linker flags for the sanitizer's runtime that comes with rustc.

    A program has one runtime. This one also serves what an older gcc or clang has instrumented;
    theirs would lack functions that a newer rustc calls.
    """
    sysroot = subprocess.run(
        ["rustc", "+nightly", "--print", "sysroot"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    runtimes = Path(sysroot, "lib", "rustlib", SANITIZED_TARGET, "lib")
    (archive,) = runtimes.glob(f"librustc*_rt.{RUNTIMES[sanitizer]}.a")
    # All of it: what it intercepts, nothing asks it for by name. And the runtime looks for itself
    # among the program's symbols.
    flags = ["-Wl,--whole-archive", str(archive), "-Wl,--no-whole-archive"]
    return [*flags, "-Wl,--export-dynamic"]


def _close(library: Library, shared: Path, archive: Path) -> Path:
    """Make of the archive one of a single object that shows the library's own functions only."""
    command = ["nm", "--dynamic", "--defined-only", "--format=just-symbols", str(shared)]
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    own = [symbol for symbol in shown if library.symbols.fullmatch(symbol)]
    linked = archive.with_name(f"{library.package}.o")
    # By a group's name a linker recognises duplicates: ours must not be taken for another's.
    roots = [f"--undefined={symbol}" for symbol in own]
    _run(["ld", "-r", "--force-group-allocation", *roots, "-o", str(linked), str(archive)])
    # Rust's own libraries carry their bitcode along, by which binutils with LLVM's plugin take an
    # object for one that is not compiled yet.
    drop = ["--strip-debug", "--remove-section=.llvmbc", "--remove-section=.llvmcmd"]
    keep = [f"--keep-global-symbol={symbol}" for symbol in own]
    _run(["objcopy", *drop, *keep, str(linked)])
    closed = archive.with_name(f"{library.package}.a")
    closed.unlink(missing_ok=True)
    _run(["ar", "rcsD", str(closed), str(linked)])
    linked.unlink()
    return closed


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a step in the project's root; end with its exit code if it fails."""
    inherited = dict(os.environ)
    if environment and "RUSTFLAGS" in environment:
        # This one would win over ours.
        inherited.pop("CARGO_ENCODED_RUSTFLAGS", None)
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**inherited, **(environment or {})},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(command[:6])} …")
