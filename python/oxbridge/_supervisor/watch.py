"""Noticing that source files change: with watchfiles where it is installed, else by looking."""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

INCLUDES = ("*.py",)
EXCLUDES = (".*", ".py[cod]", ".sw.*", "~*", "__pycache__")


class Filter:
    """Which files count, in which directories.

    A pattern is matched against names, `*.py`, or against the end of a path, `templates/*.html`. A
    pattern that is a directory stands for it: included it is watched, excluded it is not.
    """

    def __init__(
        self, dirs: Sequence[str], includes: Sequence[str], excludes: Sequence[str]
    ) -> None:
        cwd = Path.cwd()
        roots = [Path(each) for each in dirs or (".",)]
        roots += [Path(each) for each in includes if Path(each).is_dir()]
        self._not_in = {(cwd / each).resolve() for each in excludes if Path(each).is_dir()}
        wanted = {*INCLUDES, *(each for each in includes if not Path(each).is_dir())}
        # A pattern that is asked for is no longer excluded by default.
        unwanted = {*EXCLUDES, *(each for each in excludes if not Path(each).is_dir())}
        self._includes, self._excludes = sorted(wanted), sorted(unwanted - set(includes))
        self.roots = _outermost([(cwd / each).resolve() for each in roots])
        """The directories to watch, none within another."""

    def wants(self, path: Path) -> bool:
        """Whether a change of this file counts."""
        return (
            self.reaches(path.parent)
            and any(map(path.match, self._includes))
            and not any(map(path.match, self._excludes))
        )

    def reaches(self, directory: Path) -> bool:
        """Whether this is a root, or below one with no excluded directory in between."""
        root = next((each for each in self.roots if directory.is_relative_to(each)), None)
        if root is None:
            return False
        between = [root / inner for inner in directory.relative_to(root).parents if inner.name]
        return directory == root or all(map(self.enters, [directory, *between]))

    def enters(self, directory: Path) -> bool:
        """Whether what is in this directory, which is under a root, may count."""
        name = directory.name
        return directory not in self._not_in and not any(
            fnmatch.fnmatch(name, each) for each in self._excludes
        )


class Watcher:
    """A thread that calls a function with the paths of files that have changed, until closed."""

    def __init__(
        self, wanted: Filter, delay: float, changed: Callable[[Sequence[Path]], None]
    ) -> None:
        """Begin to watch: changes after this returns are noticed.

        Args:
            wanted: Which files.
            delay: How often to look, and for how long to collect changes, in seconds.
            changed: Called from the thread.
        """
        self._ended = threading.Event()
        looks = _notified(wanted, delay, self._ended)
        self.how = "watchfiles"
        """What watches, for the log."""
        if looks is None:
            looks, self.how = _polled(wanted, delay, self._ended), "polling"
        # The first look is at what there is: changes are told from that.
        first = next(looks)

        def watch() -> None:
            for paths in itertools.chain([first], looks):
                if self._ended.is_set():
                    return
                if paths:
                    changed(sorted(paths))

        self._thread = threading.Thread(target=watch, name="oxbridge-reload", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join(5)


def _polled(wanted: Filter, delay: float, ended: threading.Event) -> Iterator[set[Path]]:
    """Look at every file's time again and again; what is different from last time."""
    before = _stamps(wanted)
    yield set()
    while not ended.wait(delay):
        now = _stamps(wanted)
        yield {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
        before = now


def _stamps(wanted: Filter) -> dict[Path, tuple[int, int, int]]:
    """Every file that counts, with what changes when it is written to or replaced."""
    stamps: dict[Path, tuple[int, int, int]] = {}
    for root in wanted.roots:
        for path in _files(wanted, root):
            # Gone again since it was listed: not there.
            with contextlib.suppress(OSError):
                found = path.stat()
                stamps[path] = (found.st_mtime_ns, found.st_size, found.st_ino)
    return stamps


def _files(wanted: Filter, root: Path) -> Iterator[Path]:
    """Every file that counts in a directory and below."""
    for place, directories, names in os.walk(root):
        here = Path(place)
        directories[:] = [name for name in directories if wanted.enters(here / name)]
        yield from filter(wanted.wants, (here / name for name in names))


def _notified(wanted: Filter, delay: float, ended: threading.Event) -> Iterator[set[Path]] | None:
    """Let the system report what changes; None where watchfiles is not installed."""
    try:
        from watchfiles import Change, watch  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    milliseconds = max(50, round(delay * 1000))
    reports = watch(
        *wanted.roots,
        watch_filter=None,
        debounce=milliseconds,
        rust_timeout=milliseconds,
        stop_event=ended,
        yield_on_timeout=True,
        raise_interrupt=False,
        ignore_permission_denied=True,
    )

    def counted(change: object, path: Path) -> Iterator[Path]:
        if wanted.wants(path):
            yield path
        elif change == Change.added and path.is_dir() and wanted.reaches(path):
            # Files that were made in it before it was watched itself are not reported.
            yield from _files(wanted, path)

    return (
        {path for change, name in each for path in counted(change, Path(name))} for each in reports
    )


def _outermost(directories: Sequence[Path]) -> list[Path]:
    """Each directory that is not inside another one of them, once."""
    unique = list(dict.fromkeys(directories))
    return [
        each
        for each in unique
        if not any(each.is_relative_to(other) for other in unique if other != each)
    ]
