"""The examples of the guide and of the README, run one after the other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from engine_process import engine

from serving import ROOT


def blocks(text: str) -> list[str]:
    """Give the Python examples of a page."""
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
    """Give the examples of each page as one program."""
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.split("\n### A cache\n")[1].split("\nEverything is typed")[0]
    guide = (ROOT / "docs" / "cache.md").read_text("utf-8")
    return {
        "README": "\n".join(
            [
                *blocks(section),
                "import asyncio",
                'assert words.get("hello") == "Hi"',
                'assert asyncio.run(answer("a?")) == "a!"',
            ]
        ),
        "guide": "\n".join(blocks(guide)),
    }


@pytest.mark.needs("redis-server")
@pytest.mark.parametrize("page", ["README", "guide"])
def test_the_examples_run(page: str, tmp_path: Path) -> None:
    source = pages()[page]
    assert "cache.cached" in source
    if page == "README":
        run(source, tmp_path)
        return
    usual = "redis://127.0.0.1:6379/0"
    assert usual in source
    with engine(tmp_path) as redis:
        run(source.replace(usual, redis.url), tmp_path)
        assert redis.ask(b"EXISTS shop/prices/tea").startswith(b":1")


def run(source: str, tmp_path: Path) -> None:
    """Run a program, which must not say anything."""
    program = tmp_path / "program.py"
    program.write_text(source, "utf-8")
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
