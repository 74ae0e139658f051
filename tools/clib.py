"""Builds the C libraries, lays them out as they are installed, and installs them.

    python tools/clib.py build [--profile release|quick|dev] [--only NAME]...
    python tools/clib.py build --sanitize address|thread
    python tools/clib.py install [--prefix /usr/local] [--destdir ""] [--profile ...]

`build` leaves a tree that compilers, pkg-config and CMake can use as it is, in target/c/PROFILE
(below CARGO_TARGET_DIR, if that is set). With --sanitize it is one for tests, in
target/c/SANITIZER: headers, instrumented static archives, and what to link them with. `install`
copies what `build` left and compiles nothing, so that it can run as another user.

The names are oxbridge, gohttp and oxbridge_embed. The last one is linked with the libpython of
PYO3_PYTHON, or of the interpreter that runs this. Without --only, it is left out where there is
none.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import clib_python
import reference
from clib_cargo import ROOT, Built, Library, build, libraries, target_dir, version
from clib_notices import notices

PACKAGING = ROOT / "packaging"


def staged(profile: str, sanitize: str | None = None) -> Path:
    """Where `build` lays its tree out."""
    return target_dir() / "c" / (sanitize or profile)


def all_names() -> list[str]:
    """Name the libraries that can be built here, and say which one cannot."""
    names = list(libraries())
    if clib_python.embeddable() is None:
        names.remove("oxbridge_embed")
        python = clib_python.executable()
        print(f"liboxbridge_embed is left out: {python} has no shared libpython", file=sys.stderr)
    return names


def stage(names: list[str], profile: str, sanitize: str | None) -> Path:
    """Build these libraries, lay them out, and return the tree."""
    prefix = staged(profile, sanitize)
    with _alone(prefix):
        tree = _Tree(prefix)
        for name in names:
            library = libraries()[name]
            built = build(library, profile, sanitize)
            _lay_out(tree, library, built)
        if "oxbridge" in names and not sanitize:
            header = (ROOT / "include" / "oxbridge.h").read_text(encoding="utf-8")
            for name, page in reference.man_pages(header, version()).items():
                tree.text(f"share/man/man3/{name}", page)
            for guide in sorted((ROOT / "docs" / "c").glob("*.md")):
                tree.copy(f"share/doc/oxbridge/{guide.name}", guide)
        for name in ("LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"):
            tree.copy(f"share/doc/oxbridge/{name}", ROOT / name)
        packages = [library.package for library in libraries().values()]
        tree.text("share/doc/oxbridge/LICENSES-THIRD-PARTY", notices(packages))
        if {"oxbridge", "gohttp"} <= set(names):
            tree.prune()
    return prefix


def install(source: Path, prefix: Path, destdir: str) -> None:
    """Copy a tree that was built below the prefix, or below the prefix inside destdir."""
    if not (source / "lib").is_dir():
        sys.exit(f"there is nothing to install in {source}: run tools/clib.py build first")
    # destdir is prepended as text, as every makefile does: DESTDIR=/a PREFIX=/b makes /a/b.
    to = Path(f"{destdir}{prefix}")
    for found in sorted(source.rglob("*")):
        if found.is_symlink() or found.is_file():
            _place(found, to / found.relative_to(source))
    print(f"installed in {to}")
    if os.geteuid() == 0 and not destdir and shutil.which("ldconfig"):
        subprocess.run(["ldconfig"], check=False)


def _lay_out(tree: _Tree, library: Library, built: Built) -> None:
    """Put all that belongs to one library into the tree."""
    for header in library.headers:
        tree.copy(f"include/{header}", ROOT / "include" / header)
    needs = " ".join(built.needs)
    files = []
    if built.static is not None:
        files = [f"lib{library.name}.a"]
        tree.copy(f"lib/{files[0]}", built.static)
    if built.shared is None:
        tree.text(f"lib/lib{library.name}.needs", f"{needs}\n")
        return

    tree.copy(f"lib/{library.file}", built.shared)
    for link in {library.soname, f"lib{library.name}.so"} - {library.file}:
        tree.link(f"lib/{link}", library.file)

    major, minor, _ = version().split(".", 2)
    values = {
        "VERSION": version(),
        "VERSION_MAJOR": major,
        "VERSION_MINOR": minor,
        "POINTER_BYTES": str(struct.calcsize("P")),
        "SHARED_FILE": library.file,
        "SONAME": library.soname,
        "LIBS_PRIVATE": needs,
        "LIBS_PRIVATE_CMAKE": ";".join(built.needs),
    }
    if library.is_python and (python := clib_python.embeddable()):
        values |= {
            "PYTHON_VERSION": python.version,
            "PYTHON_LIBDIR": str(python.place),
            "PYTHON_LIBS": " ".join(python.links),
        }
    pkgconfig = f"{library.name}.pc"
    tree.fill(f"lib/pkgconfig/{pkgconfig}", PACKAGING / "pkgconfig" / f"{pkgconfig}.in", values)
    if library.name == "oxbridge":
        for config in ("OxbridgeConfig.cmake", "OxbridgeConfigVersion.cmake"):
            tree.fill(f"lib/cmake/Oxbridge/{config}", PACKAGING / "cmake" / f"{config}.in", values)

    for name in (library.file, *files):
        print(f"{name:24} {(tree.root / 'lib' / name).stat().st_size / 1e6:6.2f} MB")


class _Tree:
    """A tree being laid out. Whatever is replaced is replaced whole: programs may have it open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._written: set[Path] = set()

    def copy(self, name: str, source: Path) -> None:
        """Take over a file."""
        _place(source, self._at(name))

    def text(self, name: str, content: str) -> None:
        """Write a file."""
        path = self._at(name)
        fresh = path.with_name(f".{path.name}.new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(content, encoding="utf-8")
        fresh.replace(path)

    def fill(self, name: str, template: Path, values: dict[str, str]) -> None:
        """Write a template with its @NAMES@ filled in."""
        content = template.read_text(encoding="utf-8")
        for key, value in values.items():
            content = content.replace(f"@{key}@", value)
        self.text(name, content)

    def link(self, name: str, to: str) -> None:
        """Make a symbolic link to a file beside it."""
        path = self._at(name)
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(to)
        fresh.replace(path)

    def prune(self) -> None:
        """Remove what an earlier build laid out and this one did not."""
        for found in self.root.rglob("*"):
            if (found.is_symlink() or found.is_file()) and found not in self._written:
                found.unlink()

    def _at(self, name: str) -> Path:
        path = self.root / name
        self._written.add(path)
        return path


def _place(source: Path, target: Path) -> None:
    """Put a copy of a file or symbolic link there, at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    if source.is_symlink():
        fresh.symlink_to(os.readlink(source))
    else:
        shutil.copyfile(source, fresh)
        fresh.chmod(0o755 if ".so" in source.suffixes else 0o644)
    fresh.replace(target)


@contextmanager
def _alone(prefix: Path) -> Iterator[None]:
    """Keep a second build out of the tree until this one is done."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with (prefix.parent / f".{prefix.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description="Build and install the C libraries.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    building = verbs.add_parser("build", help="build the libraries and lay them out")
    installing = verbs.add_parser("install", help="copy what `build` laid out")
    for verb in (building, installing):
        verb.add_argument("--profile", choices=("release", "quick", "dev"), default="release")
    building.add_argument(
        "--only", choices=sorted(libraries()), action="append", help="this library; may be repeated"
    )
    building.add_argument("--sanitize", choices=("address", "thread"))
    installing.add_argument("--prefix", type=Path, default=Path("/usr/local"))
    installing.add_argument("--destdir", default="", help="a root to install into, for packagers")
    asked = parser.parse_args()
    if asked.verb == "build":
        names = asked.only or all_names()
        if asked.sanitize:
            # An instrumented library is an archive, which what embeds Python is none.
            names = [name for name in names if not libraries()[name].is_python]
        # Checks want debug assertions, and need not be quick at run time.
        profile = "dev" if asked.sanitize else asked.profile
        print(stage(names, profile, asked.sanitize))
    else:
        install(staged(asked.profile), asked.prefix.absolute(), asked.destdir)


if __name__ == "__main__":
    main()
