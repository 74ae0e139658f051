"""Modules to serve, written by the test, and a process that is left as it was."""

from __future__ import annotations

import logging
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Write = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write files into a directory that is the current one: `project("main.py", "app = …")`."""
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith(("OXBRIDGE_", "UVICORN_"))]:
        monkeypatch.delenv(name)
    for name in ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    modules, path, environ = set(sys.modules), list(sys.path), dict(os.environ)
    logger = logging.getLogger("oxbridge")
    logged = (list(logger.handlers), logger.level, logger.propagate)

    def write(name: str, text: str = "") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    yield write
    logger.handlers[:] = logged[0]
    logger.setLevel(logged[1])
    logger.propagate = logged[2]
    os.environ.clear()
    os.environ.update(environ)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file and str(file).startswith(str(tmp_path)):
            del sys.modules[name]
