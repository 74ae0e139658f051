"""The programs that the guide and the README show, compiled as they stand there and asked."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from cbuild import CompileC
from serving import ROOT, Serve

GUIDE = ROOT / "docs" / "c" / "guide.md"
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")


def shown(page: Path) -> list[str]:
    """Every C program of a page: each block of C that has a main function."""
    blocks = re.findall(r"^```c\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "int main(" in block]


PROGRAMS = {
    "/hello/world": "Hello, world!\n",
    "/later": "It took a while.\n",
    "/queued": "the first route",
}


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("path", PROGRAMS)
def test_the_guides_programs_answer(
    path: str, compile_c: CompileC, serve: Serve, tmp_path: Path
) -> None:
    programs = shown(GUIDE)
    assert len(programs) == len(PROGRAMS)
    (program,) = (text for text in programs if f"{path.split('/')[1]}" in route(text))
    source = tmp_path / "shown.c"
    source.write_text(program, "utf-8")
    served = serve(str(compile_c(source, flags=FLAGS)))
    answer = httpx.get(f"{served.url}{path}")
    assert (answer.status_code, answer.text) == (200, PROGRAMS[path])


def route(program: str) -> str:
    """The pattern that a program handles."""
    found = re.search(r'"GET /([^"]*)"', program)
    assert found is not None
    return found[1]


@pytest.mark.needs("gcc")
def test_the_readmes_program_compiles(compile_c: CompileC, tmp_path: Path) -> None:
    (program,) = shown(ROOT / "README.md")
    source = tmp_path / "shown.c"
    source.write_text(program, "utf-8")
    assert compile_c(source, flags=FLAGS).is_file()
