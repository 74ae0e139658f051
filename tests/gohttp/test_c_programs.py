"""Programs in C, compiled against the header of the original, and against ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hosted import Hosted
from libgohttp import HERE, ORIGINAL, OURS, Library, run

HostC = Callable[..., Hosted]


@pytest.mark.parametrize("header", [ORIGINAL, OURS], ids=["original.h", "libgohttp.h"])
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
def test_the_example_of_the_original_serves(host_c: HostC, static: bool, header: Path) -> None:
    hello = host_c("hello.c", static=static, header=header)
    assert hello.ask("/a?b=c") == (200, b"Hello, world")
    hello.wait_for("handler: GET /a?b=c")
    hello.wait_for("handler: Wrote 12 bytes.")
    assert hello.ask("/stop") == (200, b"")
    assert hello.wait() == 0
    assert hello.stdout.endswith("Stopped\n")
    assert hello.stderr == ""


@pytest.mark.needs("curl")
def test_curl_reads_it(host_c: HostC, program: Callable[[str], str]) -> None:
    hello = host_c("hello.c")
    answer = run(program("curl"), "--silent", "--include", f"http://127.0.0.1:{hello.port}/")
    head, _, body = answer.partition("\n\n")
    assert body == "Hello, world"
    assert head.startswith("HTTP/1.1 200 OK")
    assert "content-type: text/plain; charset=utf-8" in head.lower()
    assert "content-length: 12" in head.lower()


def test_the_library_exports_what_the_original_did_and_nothing_else(library: Library) -> None:
    listed = run("nm", "--dynamic", "--defined-only", "--format=posix", library.shared)
    names = sorted(line.split()[0] for line in listed.splitlines())
    assert names == (HERE / "exports.txt").read_text(encoding="ascii").split()


def test_the_library_has_a_name_and_stays_loaded(library: Library) -> None:
    dynamic = run("readelf", "--dynamic", "--wide", library.shared)
    assert "Library soname: [libgohttp.so]" in dynamic
    assert "NODELETE" in dynamic


def test_the_headers_agree_on_sizes_and_offsets(library: Library, tmp_path: Path) -> None:
    said = [
        run(library.compile("layout.c", tmp_path / header.stem, header=header))
        for header in (ORIGINAL, OURS)
    ]
    assert said[0] == said[1]
    pointer = 8
    assert list(map(int, said[0].split())) == [
        5 * pointer,
        *(place * pointer for place in range(5)),
        4,
        1,
        pointer,
        5 * pointer,
    ]


@pytest.mark.parametrize(
    "compiler",
    [
        pytest.param("gcc", marks=pytest.mark.needs("gcc")),
        pytest.param("clang", marks=pytest.mark.needs("clang")),
    ],
)
@pytest.mark.parametrize(
    ("language", "standard"),
    [("c", "c99"), ("c", "c11"), ("c", "c17"), ("c++", "c++17"), ("c++", "c++20")],
)
def test_the_header_compiles(
    program: Callable[[str], str], compiler: str, language: str, standard: str
) -> None:
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    source = HERE / "c" / "header.c"
    run(program(compiler), f"-std={standard}", *strict, f"-I{OURS.parent}", "-x", language, source)
