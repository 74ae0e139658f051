"""The running application of this folder, one for each file of tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from application import Application, Keys
from curl import Curl


@pytest.fixture(scope="module")
def application(
    certificates: Keys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    """Start the application. At the end it must still live, and stop with no exchange left."""
    running = Application(tmp_path_factory.mktemp("application"), certificates)
    try:
        yield running
        running.settled(exchanges=0)
        running.stop()
    finally:
        running.served.kill()
        print(f"-- the application wrote:\n{running.served.stderr}", file=sys.stderr)


@pytest.fixture
def curl(program: Callable[[str], str], application: Application, tmp_path: Path) -> Curl:
    """Run curl against the application: `curl("/hello", "--http1.0").body`."""
    return Curl(program("curl"), application, tmp_path)
