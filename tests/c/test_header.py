"""The headers: every C and C++ that programs are written in takes them, and they tell the truth."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from elf import listed

import clib_cargo
import reference
from cbuild import Prefix, compiler_path
from serving import ROOT

INCLUDE = ROOT / "include"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]

C = ("c99", "c11", "c17")
CXX = ("c++17", "c++20")
CASES = [
    (header, standard, compiler)
    for header, standards in (
        ("oxbridge.h", C + CXX),
        ("oxbridge.hpp", CXX),
        ("libgohttp.h", C + CXX),
    )
    for standard in standards
    for compiler in ("gcc", "clang")
]


@pytest.mark.needs("gcc", "g++", "clang", "clang++")
@pytest.mark.parametrize(("header", "standard", "compiler"), CASES)
def test_a_strict_compiler_takes_the_header_twice(
    tmp_path: Path, header: str, standard: str, compiler: str
) -> None:
    plus_plus = "++" in standard
    source = tmp_path / ("twice.cc" if plus_plus else "twice.c")
    # With -Wpedantic a C file must declare something of its own.
    include = f'#include "{header}"\n'
    source.write_text(f"{include}{include}int main(void);\n", encoding="utf-8")
    command = [compiler_path(compiler, plus_plus=plus_plus), f"-std={standard}", *STRICT]
    # -I, not -isystem, which would silence the header.
    subprocess.run([*command, f"-I{INCLUDE}", str(source)], check=True)


def macros() -> dict[str, str]:
    """Macros that a program sees, by the preprocessor."""
    command = ["cc", "-E", "-dM", "-x", "c", str(INCLUDE / "oxbridge.h")]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return dict(re.findall(r"^#define (OXB_\w+) (.+)$", said, re.M))


def test_the_macros_state_the_version_of_the_workspace() -> None:
    defined = macros()
    stated = [defined[f"OXB_VERSION_{part}"] for part in ("MAJOR", "MINOR", "PATCH")]
    assert ".".join(stated) == clib_cargo.version().split("-")[0]


FUNCTIONS = reference.read((INCLUDE / "oxbridge.h").read_text(encoding="utf-8")).functions


def test_every_function_that_is_declared_is_in_the_library_and_the_other_way_round() -> None:
    # test_build.py compares the list with the library.
    declared = {name for name, it in FUNCTIONS.items() if not it.code.startswith("static")}
    assert declared == set(listed("oxbridge"))


def test_the_libgohttp_header_declares_the_listed_functions() -> None:
    header = (INCLUDE / "libgohttp.h").read_text(encoding="utf-8")
    declared = re.findall(r"^extern .*?(\w+)\(", header, re.M)
    assert sorted(declared) == sorted(listed("gohttp"))


@pytest.mark.parametrize("item", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_every_function_states_its_rules(item: reference.Item) -> None:
    signature = item.code.split("(", 1)[1]
    wanted = {"Threads"}
    if "*" in signature or re.search(r"oxb_(?:handler|drop|log|notify)\b", signature):
        wanted |= {"NULL"}
    if item.code.startswith("oxb_status"):
        wanted |= {"Returns"}
    missing = {label for label in wanted if not item.labelled(label)}
    assert not missing, f"{item.name} does not say: {', '.join(sorted(missing))}"
    assert item.summary, f"{item.name} does not say what it is for"


def test_the_reference_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "reference.py"), "--check"]
    subprocess.run(command, check=True)


@pytest.mark.needs("groff")
def test_every_function_has_a_manual_page_without_a_fault(
    c_prefix: Prefix, program: Callable[[str], str]
) -> None:
    pages = sorted((c_prefix.root / "share" / "man" / "man3").glob("*.3"))
    assert [page.stem for page in pages] == sorted(FUNCTIONS)
    command = [program("groff"), "-man", "-ww", "-z", "-Tutf8", *map(str, pages)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr == ""
