"""Programs that use the cache pass a strict type check, and wrong ones do not."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from serving import ROOT

RIGHT = """
    import asyncio
    import marshal
    from typing import Any, assert_type

    from oxbridge import cache

    instance = cache.Instance(peers=cache.Peers("mailgun", me="http://127.0.0.1:1"))

    def load(key: str) -> bytes:
        raise cache.NotFound(key)

    async def aload(key: bytes) -> str:
        return key.decode()

    pages = instance.group("pages", load, ttl=60)
    assert_type(pages, cache.Group[bytes])
    texts = instance.group("texts", aload, keys="bytes", serializer="str")
    assert_type(texts.get("a"), str)
    assert_type(texts.peek("a"), str | None)
    assert_type(texts.get_many(["a"]), dict[str, str])
    assert_type(pages.get_many([b"a"]), dict[bytes, bytes])
    assert_type(pages.stats()["main"]["bytes"], int)
    tables = instance.group("tables", lambda key: {"a": 1}, serializer="json")
    assert_type(tables, cache.Group[Any])

    class Numbers:
        def dumps(self, value: int, /) -> bytes:
            return str(value).encode()

        def loads(self, data: bytes, /) -> int:
            return int(data)

    numbers = instance.group("numbers", len, serializer=Numbers())
    assert_type(numbers.get("a"), int)

    @cache.cached
    def area(width: int, height: float = 1) -> float:
        return width * height

    @cache.cached(ttl=60, max_bytes=1 << 20)
    async def fetch(url: str) -> dict[str, str]:
        return {}

    async def main() -> None:
        assert_type(await texts.aget("a"), str)
        assert_type(await fetch("a"), dict[str, str])
        one, two = await asyncio.gather(pages.aget("a"), texts.aget("b"))
        assert_type((one, two), tuple[bytes, str])
        task = asyncio.create_task(pages.aget("a"))
        assert_type(task, asyncio.Task[bytes])
        async with instance as same:
            assert_type(same, cache.Instance)

    assert_type(area(1, height=2), float)
    area.delete(1, 2)
    area.cache_clear()
    assert_type(area.cache_info().hits, int)
"""

WRONG = """
    from oxbridge import cache

    instance = cache.Instance()

    @cache.cached
    def area(width: int) -> float:
        return width

    area("1")
    area.delete(1, 2)
    instance.group("g", lambda key: 1)
    instance.group("h", lambda key: b"", serializer="pickle")
    instance.group("i", lambda key: b"").set("a", 1)
    cache.Peers("redis")
"""


def check(source: str, place: Path) -> tuple[int, str]:
    """Run mypy, strict, on a program."""
    program = place / "program.py"
    program.write_text(textwrap.dedent(source))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--cache-dir",
            str(place / "cache"),
            str(program),
        ],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "MYPYPATH": str(ROOT / "python")},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_types(tmp_path: Path) -> None:
    code, told = check(RIGHT, tmp_path)
    assert code == 0, told
    code, told = check(WRONG, tmp_path)
    assert code == 1
    lines = {int(line.split(":")[1]) for line in told.splitlines() if ": error:" in line}
    first = WRONG.splitlines().index('    area("1")') + 1
    assert lines == set(range(first, first + 6)), told
