r"""The pytest plugin: a fixture that serves applications for the length of a test.

It is there in every test run where Oxbridge is installed, without an import:

    def test_hello(oxbridge_server):
        client = oxbridge_server(app)
        assert client.get("/").text == "Hello, world.\n"
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from oxbridge.testing import Client, serve


class OxbridgeServer(Protocol):
    """What the fixture `oxbridge_server` gives: for annotations in tests."""

    def __call__(self, target: Any = None, **options: Any) -> Client:
        """Serve on a free port until the end of the test; see `oxbridge.testing.serve`."""
        ...


@pytest.fixture
def oxbridge_server() -> Iterator[OxbridgeServer]:
    """Serve applications, each on a free port, and give a client of each.

    `oxbridge_server(target, **options)` takes what `oxbridge.testing.serve` takes: a WSGI, ASGI or
    RSGI application, a Mux, a handler. It may be called any number of times; what it has started
    stops at the end of the test, the last one first.
    """
    with contextlib.ExitStack() as running:

        def start(target: Any = None, **options: Any) -> Client:
            return running.enter_context(serve(target, **options))

        yield start
