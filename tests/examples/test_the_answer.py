"""The lesson in examples/the_answer, run as its README says: what it shows is what happens."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from serving import ROOT

LESSON = ROOT / "examples" / "the_answer"

# What a command may write to standard error. All others write nothing.
STDERR = {
    ("rust_from_c", "./main"): r"\s*thread .* panicked at answer\.rs:\d+:\d+:\n"
    r"index out of bounds: .*\nnote: .*\n"
}


@dataclass
class Bridge:
    """One part of the README: a folder, what the part shows of its files, and its commands."""

    folder: str
    linked: set[str]
    excerpts: list[str] = field(default_factory=list)
    # Pairs of a command and what it prints.
    commands: list[tuple[str, str]] = field(default_factory=list)


def read_bridge(part: str) -> Bridge:
    """Read one part of the README, from its heading to the next."""
    links = re.findall(r"\]\((\w+)/([\w.]+)\)", part)
    (folder,) = {folder for folder, _ in links}
    bridge = Bridge(folder, {file for _, file in links})
    for kind, text in re.findall(r"^```(\w+)\n(.*?)^```$", part, re.MULTILINE | re.DOTALL):
        if kind != "console":
            bridge.excerpts.append(text)
            continue
        before, *entries = re.split(r"^\$ ", text, flags=re.MULTILINE)
        assert not before, "a console block begins with a command"
        for entry in entries:
            command, _, printed = entry.partition("\n")
            bridge.commands.append((command, printed))
    return bridge


README = (LESSON / "README.md").read_text("utf-8")
BRIDGES = [read_bridge(part) for part in README.split("\n## ")[1:]]
each_bridge = pytest.mark.parametrize("bridge", BRIDGES, ids=lambda bridge: bridge.folder)


@pytest.fixture
def copy(bridge: Bridge, tmp_path: Path) -> Path:
    """The bridge's folder, copied without what has been built there."""
    ignored = shutil.ignore_patterns("*.o", "*.so", "main", "target", "__pycache__", ".*_cache")
    return shutil.copytree(LESSON / bridge.folder, tmp_path / bridge.folder, ignore=ignored)


def run(command: str, folder: Path, wrapper: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the README by a shell, with the interpreter of this test run."""
    command = re.sub(r"^python3 ", shlex.quote(sys.executable) + " ", command)
    # A target directory that lasts, so that PyO3 is compiled once; and one of our own, so that
    # neither its lock nor the settings below get into the way of the project's builds.
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(ROOT / target / "the_answer"),
        "PYO3_PYTHON": sys.executable,
        "PYTHONUTF8": "1",
    }
    for changes_output in ("RUST_BACKTRACE", "RUST_LIB_BACKTRACE", "RUSTFLAGS", "PYTHONPATH"):
        environment.pop(changes_output, None)
    return subprocess.run(
        ["sh", "-c", f"{wrapper} {command}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=500,
        check=False,
    )


def test_the_readme_has_every_bridge() -> None:
    folders = [bridge.folder for bridge in BRIDGES]
    there = [path.name for path in LESSON.iterdir() if path.is_dir()]
    assert sorted(folders) == sorted(there)
    # The table leads to each part.
    headings = re.findall(r"^## (.+)$", README, re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", title).replace(" ", "-").lower() for title in headings]
    assert re.findall(r"\]\(#([^)]+)\)", README) == anchors


@each_bridge
@pytest.mark.timeout(600)  # PyO3 may have to be compiled
def test_bridge(bridge: Bridge, copy: Path) -> None:
    sources = [path.read_text("utf-8") for path in copy.iterdir()]
    for excerpt in bridge.excerpts:
        assert any(excerpt in source for source in sources), f"in no file:\n{excerpt}"
    assert all((copy / name).is_file() for name in bridge.linked)
    assert bridge.commands
    for command, printed in bridge.commands:
        done = run(command, copy)
        assert (done.returncode, done.stdout) == (0, printed), f"{command}\n{done.stderr}"
        expected = STDERR.get((bridge.folder, command), "")
        assert re.fullmatch(expected, done.stderr), f"{command}\n{done.stderr}"


COMPILED = [bridge for bridge in BRIDGES if "./main" in dict(bridge.commands)]


@pytest.mark.needs("valgrind")
@pytest.mark.parametrize("bridge", COMPILED, ids=lambda bridge: bridge.folder)
def test_no_memory_is_lost(bridge: Bridge, copy: Path, program: Callable[[str], str]) -> None:
    for command, printed in bridge.commands:
        if command == "./main":
            valgrind = f"{shlex.quote(program('valgrind'))} --quiet --error-exitcode=9"
            leaks = "--leak-check=full --errors-for-leak-kinds=definite,indirect,possible"
            done = run(command, copy, f"{valgrind} {leaks}")
            assert (done.returncode, done.stdout) == (0, printed), done.stderr
            return
        assert run(command, copy).returncode == 0


def test_the_extension_is_built_with_the_project_s_pyo3() -> None:
    def wanted(manifest: Path, *table: str) -> object:
        found = tomllib.loads(manifest.read_text("utf-8"))
        for name in (*table, "dependencies"):
            found = found[name]
        return found["pyo3"]

    def locked(directory: Path) -> list[str]:
        lock = tomllib.loads((directory / "Cargo.lock").read_text("utf-8"))
        return [entry["version"] for entry in lock["package"] if entry["name"] == "pyo3"]

    extension = LESSON / "rust_from_python_extension"
    assert wanted(extension / "Cargo.toml") == wanted(ROOT / "Cargo.toml", "workspace")
    assert locked(extension) == locked(ROOT)
