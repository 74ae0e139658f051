"""Restarting when source files change."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from supervised import connect, count, get, start, until, workers, write_app

from oxbridge._supervisor import watch
from oxbridge._supervisor.watch import Filter, Watcher
from serving import Serve

HOWS = ["polling", "watchfiles"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_app(tmp_path)
    return tmp_path


def test_new_code_runs_and_broken_code_is_waited_out(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=1, reload=True)
    served.wait_for_line(f"Watching for changes in {directory}")
    assert get(served.url).split()[1] == "one"
    write_app(directory, version="two")
    served.wait_for_line("app.py.* changed: restarting")
    until(lambda: get(served.url).split()[1] == "two", "the new code answers")

    write_app(directory, "def broken(:\n")
    served.wait_for_line("SyntaxError")
    served.wait_for_line("Waiting for a file to change")
    until(lambda: not workers(served), "nothing runs")
    assert served.process.poll() is None

    write_app(directory, version="three")
    assert get(served.url).split()[1] == "three"
    assert count(served, "Serving app:mux (") == 1
    assert served.stop() == 0


def test_code_that_is_broken_at_first_is_waited_out_too(serve: Serve, directory: Path) -> None:
    write_app(directory, 'open("tried", "w").close()\nraise KeyError("not yet")')

    def correct() -> None:
        until((directory / "tried").exists, "the broken code was tried")
        write_app(directory, version="two")

    author = threading.Thread(target=correct)
    author.start()
    # The start line comes once the code is right.
    served = start(serve, directory, workers=1, reload=True)
    author.join()
    assert get(served.url).split()[1] == "two"
    assert served.stop() == 0


def test_a_restart_does_not_wait_for_a_stream(serve: Serve, directory: Path) -> None:
    served = start(serve, directory, workers=1, reload=True, timeout_graceful_shutdown=None)
    stream = connect(served.url)
    stream.request("GET", "/forever")
    assert stream.getresponse().readline() == b"begun\n"
    write_app(directory, version="two")
    until(lambda: get(served.url).split()[1] == "two", "the new code answers")
    stream.close()


def made(root: Path, *names: str) -> list[Path]:
    """Make files, with their directories."""
    paths = [root / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    return paths


def test_which_files_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [
        "app.py",
        "deep/er/module.py",
        "page.html",
        "templates/page.html",
        ".venv/lib/x.py",
        ".hidden.py",
        "__pycache__/app.cpython-311.pyc",
        "build/out.py",
        "notes.txt",
        "other/conf.toml",
    ]
    made(tmp_path, *names)

    def counting(dirs: Sequence[str], includes: Sequence[str], excludes: Sequence[str]) -> set[str]:
        wanted = Filter(dirs, includes, excludes)
        return {name for name in names if wanted.wants(tmp_path / name)}

    assert counting([], [], []) == {"app.py", "deep/er/module.py", "build/out.py"}
    assert counting([], [], ["build", "mod*.py"]) == {"app.py"}
    assert counting(["deep"], ["templates/*.html"], []) == {"deep/er/module.py"}
    assert counting(["."], ["templates/*.html"], ["*.py"]) == {"templates/page.html"}
    assert counting(["deep"], ["*.toml", "other"], []) == {"deep/er/module.py", "other/conf.toml"}
    assert ".hidden.py" in counting([], [".*"], [])
    assert Filter([".", "deep"], [], []).roots == [tmp_path]


@pytest.mark.parametrize("how", HOWS)
def test_changes_are_noticed(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "polling":
        monkeypatch.setattr(watch, "_notified", lambda *arguments: None)
    elif importlib.util.find_spec("watchfiles") is None:
        pytest.skip("needs watchfiles")
    (kept,) = made(tmp_path, "kept.py")
    seen: list[Path] = []
    watcher = Watcher(Filter([str(tmp_path)], [], []), 0.05, seen.extend)
    try:
        assert watcher.how == how
        changes: list[tuple[Path, Callable[[], object]]] = [
            (tmp_path / "new.py", lambda: made(tmp_path, "new.py")),
            (kept, lambda: kept.write_text("longer than before")),
            (tmp_path / "new.py", (tmp_path / "new.py").unlink),
            (tmp_path / "deep" / "x.py", lambda: made(tmp_path, "deep/x.py")),
        ]
        for path, change in changes:
            seen.clear()
            change()
            until(lambda path=path: path in seen, f"{path} is reported")  # type: ignore[misc]
        seen.clear()
        made(tmp_path, "notes.txt", ".git/index.py")
        made(tmp_path, "last.py")
        until(lambda: tmp_path / "last.py" in seen, "what counts is reported")
        assert {path.name for path in seen} == {"last.py"}
    finally:
        watcher.close()
