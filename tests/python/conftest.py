"""What tests of coroutine handlers share."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[True, False], ids=["driven", "own-threads"])
def drives(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the loop's thread drives a server that has nothing but coroutines.

    The other way is that of any loop which is not asyncio's own, and of muxes with plain functions.
    """
    drives: bool = request.param
    if not drives:
        monkeypatch.setattr("oxbridge._loop._is_stock", lambda: False)
    return drives
