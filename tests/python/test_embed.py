"""oxbridge.embed outside a program that embeds Python: functions can be tested as they are."""

from __future__ import annotations

import time

import pytest

from oxbridge import embed


def test_no_call_is_cancelled() -> None:
    assert embed.cancelled() is False


def test_a_wait_takes_its_time() -> None:
    begun = time.monotonic()
    assert embed.wait_cancelled(0.02) is False
    assert time.monotonic() - begun >= 0.02
    assert embed.wait_cancelled(-1) is False


def test_a_wait_for_ever_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no call runs on this thread"):
        embed.wait_cancelled()
