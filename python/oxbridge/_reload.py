"""Imports modules anew that have changed, or none of them if one cannot be imported."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

# What tells one version of a file from the next.
Stamp = tuple[int, int]
# Modules, with what was in them.
Before = list[tuple[ModuleType, dict[str, Any]]]


class Modules:
    """The modules that a program names, and those below its import paths, with their dates."""

    def __init__(self, named: Iterable[str], paths: Iterable[str]) -> None:
        """Take down the files as they are now."""
        self._named = frozenset(named)
        self._paths = tuple(Path(path) for path in paths)
        self._lock = threading.Lock()
        self._stamps: dict[str, Stamp] = {}
        for name, file, _ in self._watched():
            if stamp := _stamp(file):
                self._stamps[name] = stamp

    def reload(self) -> tuple[list[str], Before]:
        """Import what has changed since the last time; give the names, and what undoes it.

        When one module cannot be imported, all are left as they were, and what it raised is raised.
        It is tried again when a file changes once more.
        """
        with self._lock:
            changed = {}
            for name, file, module in self._watched():
                stamp = _stamp(file)
                if stamp is None:
                    # Being written anew, or gone: what was imported stays.
                    continue
                known = self._stamps.get(name)
                self._stamps[name] = stamp
                # One that was imported since is as new as its file.
                if known is not None and known != stamp:
                    changed[name] = module
            # As they were first imported: each module after those that it imports.
            names = [name for name in self._stamps if name in changed]
            return names, _reload_all([changed[name] for name in names])

    def _watched(self) -> list[tuple[str, Path, ModuleType]]:
        found = []
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if not isinstance(file, str) or not file.endswith(".py"):
                continue
            path = Path(file)
            if name in self._named or any(path.is_relative_to(place) for place in self._paths):
                found.append((name, path, module))
        return found


def restore(before: Before) -> None:
    """Make modules what they were."""
    for module, names in before:
        module.__dict__.clear()
        module.__dict__.update(names)


def _reload_all(modules: list[ModuleType]) -> Before:
    before = [(module, dict(module.__dict__)) for module in modules]
    importlib.invalidate_caches()
    try:
        for module in modules:
            _forget(module)
            importlib.reload(module)
    except BaseException:
        restore(before)
        raise
    return before


def _forget(module: ModuleType) -> None:
    """Take out what the old version has defined: what is no longer there is to be missed."""
    for name in list(module.__dict__):
        is_submodule = f"{module.__name__}.{name}" in sys.modules
        if not is_submodule and not (name.startswith("__") and name.endswith("__")):
            del module.__dict__[name]


def _stamp(file: Path) -> Stamp | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
