"""oxbridge.hpp: its programs, plain and under sanitizers, and its form under every compiler."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cbuild import CompileC, Prefix, compiler_path
from serving import ROOT

# The first test of all builds the library.
pytestmark = [pytest.mark.timeout(1500), pytest.mark.needs("g++", "clang++")]

PROGRAMS = sorted((ROOT / "tests" / "c" / "hpp").glob("*.cpp"))
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")


@pytest.mark.parametrize(
    "flags",
    [("-std=c++17", "-O2"), ("-std=c++20", *SANITIZERS)],
    ids=["plain", "sanitizers"],
)
@pytest.mark.parametrize("source", PROGRAMS, ids=lambda source: source.stem)
def test_program(compile_c: CompileC, source: Path, flags: tuple[str, ...]) -> None:
    program = compile_c(source, flags=[*STRICT, *flags])
    done = subprocess.run([program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    # Neither the library nor a sanitizer has anything to say.
    assert done.stdout + done.stderr == ""


# The programs above are g++'s.
@pytest.mark.parametrize("standard", ["c++17", "c++20"])
@pytest.mark.parametrize("source", PROGRAMS, ids=lambda source: source.stem)
def test_clang_has_nothing_to_say(c_prefix: Prefix, source: Path, standard: str) -> None:
    done = subprocess.run(
        [
            compiler_path("clang", plus_plus=True),
            "-fsyntax-only",
            f"-std={standard}",
            *STRICT,
            "-Werror",
            f"-I{c_prefix.include}",
            # Twice, in two ways: the second one must be nothing.
            "-include",
            "oxbridge.hpp",
            str(source),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_example_in_the_header_compiles(compile_c: CompileC, tmp_path: Path) -> None:
    lines = (ROOT / "include" / "oxbridge.hpp").read_text("utf-8").splitlines()
    head = lines[: lines.index("#ifndef OXBRIDGE_HPP")]
    source = tmp_path / "example.cpp"
    code = [line.removeprefix("//     ") for line in head if line.startswith("//     ")]
    assert code[0] == "#include <oxbridge.hpp>"
    source.write_text("\n".join([*code, ""]), "utf-8")
    compile_c(source, flags=["-std=c++17", *STRICT])


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        ("[n = 0](oxb::Exchange&) mutable { ++n; }", "without `mutable`"),
        ("[](int) {}", "handler(oxb::Exchange&)"),
    ],
)
def test_a_handler_that_cannot_be_one_does_not_compile(
    c_prefix: Prefix, tmp_path: Path, handler: str, said: str
) -> None:
    source = tmp_path / "handler.cpp"
    source.write_text(
        f'#include <oxbridge.hpp>\nint main() {{ oxb::Config().handle("/", {handler}); }}\n'
    )
    done = subprocess.run(
        [
            compiler_path("gcc", plus_plus=True),
            "-fsyntax-only",
            "-std=c++17",
            f"-I{c_prefix.include}",
            str(source),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert said in done.stderr
