"""Frameworks' applications, each served once for a file of tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app_server import ServeApp, apps_of


@pytest.fixture(scope="module")
def serve_app() -> Iterator[ServeApp]:
    """Serve applications of this folder: `serve_app("module:app", interface="wsgi").url`."""
    with apps_of(Path(__file__).resolve().parent) as serve:
        yield serve
