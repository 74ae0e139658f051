"""liboxbridge_embed's file and header: what they show, and to whom."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from embedding import HERE, compile_program, settings

import clib_cargo
import clib_python
import reference
from cbuild import Prefix, compiler_path
from serving import ROOT

HEADER = ROOT / "include" / "oxbridge_embed.h"
FUNCTIONS = reference.read(HEADER.read_text(encoding="utf-8")).functions
# The first test of all builds the library.
pytestmark = [pytest.mark.timeout(1200), pytest.mark.needs("libpython")]


def listed() -> dict[str, str]:
    """The committed list of functions, each with the version that it came with."""
    rows = (HERE / "symbols" / "oxbridge_embed.txt").read_text(encoding="utf-8").splitlines()
    return dict(row.split() for row in rows if row and not row.startswith("#"))


def told(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_the_library_shows_the_listed_functions_and_nothing_else(embed_prefix: Prefix) -> None:
    library = str(embed_prefix.lib / "liboxbridge_embed.so")
    shown = told("nm", "--dynamic", "--defined-only", "--format=just-symbols", library).split()
    # The module that the library brings for Python code has the one function that every extension
    # module has, under a name that nobody else's has.
    assert set(shown) - {"PyInit__oxbridge"} == set(listed())
    assert list(listed()) == sorted(listed()), "sorted, so that a diff shows one line"


def test_the_header_declares_the_listed_functions() -> None:
    declared = {name for name, it in FUNCTIONS.items() if not it.code.startswith("static")}
    assert declared == set(listed())


@pytest.mark.parametrize("item", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_every_function_states_its_rules(item: reference.Item) -> None:
    signature = item.code.split("(", 1)[1]
    wanted = {"Threads"}
    if "*" in signature or "oxe_answer" in signature:
        wanted |= {"NULL"}
    if re.search(r"\*\*|\*out\b", signature):
        wanted |= {"Ownership"}
    if item.code.startswith("oxe_status"):
        wanted |= {"Returns"}
    missing = {label for label in wanted if not item.labelled(label)}
    assert not missing, f"{item.name} does not say: {', '.join(sorted(missing))}"
    assert item.summary, f"{item.name} does not say what it is for"


def test_every_function_is_called_by_a_test() -> None:
    sources = "".join(path.read_text("utf-8") for path in (HERE / "suite").glob("*.c"))
    assert not [name for name in FUNCTIONS if not re.search(rf"\b{name}\(", sources)]


def test_it_has_its_soname_and_needs_libpython_and_the_system(embed_prefix: Prefix) -> None:
    library = str(embed_prefix.lib / "liboxbridge_embed.so")
    dynamic = told("readelf", "--dynamic", "--wide", library)
    abi = clib_cargo.abi("oxbridge_embed.h")
    assert re.findall(r"\(SONAME\).*\[(.+)\]", dynamic) == [f"liboxbridge_embed.so.{abi}"]
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic))
    pythons = {name for name in needed if name.startswith("libpython")}
    assert len(pythons) == 1
    assert needed - pythons <= {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"}
    # dlclose leaves the library, and with it Python's threads, where they are.
    assert "NODELETE" in dynamic
    python = clib_python.embeddable()
    assert python is not None
    paths = re.findall(r"\(RUNPATH\).*\[(.+)\]", dynamic)
    assert paths == ([] if python.is_known else [str(python.place)])


@pytest.mark.needs("gcc", "clang", "g++", "clang++")
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("standard", ["c99", "c11", "c17", "c++17", "c++20"])
def test_a_strict_compiler_takes_the_header_twice(
    tmp_path: Path, compiler: str, standard: str
) -> None:
    plus_plus = "++" in standard
    source = tmp_path / ("twice.cc" if plus_plus else "twice.c")
    include = f'#include "{HEADER.name}"\n'
    # The other library's header may be there, too.
    source.write_text(f'{include}#include "oxbridge.h"\n{include}int main(void);\n', "utf-8")
    command = [compiler_path(compiler, plus_plus=plus_plus), f"-std={standard}"]
    command += ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    subprocess.run([*command, f"-I{HEADER.parent}", str(source)], check=True)


GUIDE = ROOT / "docs" / "c" / "embedding.md"


@pytest.mark.needs("gcc")
def test_the_guides_program_calls_its_worker(embed_prefix: Prefix, tmp_path: Path) -> None:
    shown = dict(re.findall(r"^```(c|python)$\n(.*?)^```$", GUIDE.read_text("utf-8"), re.M | re.S))
    (tmp_path / "hello.c").write_text(shown["c"], encoding="utf-8")
    (tmp_path / "worker.py").write_text(shown["python"], encoding="utf-8")
    hello = compile_program(embed_prefix, tmp_path / "hello", [tmp_path / "hello.c"])
    done = subprocess.run(
        [hello], cwd=tmp_path, env=settings(), capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("GET /hello {'Accept': ['text/plain']}\n", "")


HELLO = """
    #include <oxbridge_embed.h>
    #include <stdio.h>

    int main(void) {
        oxe_options *options = NULL;
        oxe_python *python = NULL;
        oxe_request *request = NULL;
        oxe_response *response = NULL;
        oxe_error *error = NULL;
        oxe_bytes body;

        if (oxe_options_new(&options) != OXE_OK || oxe_options_path(options, ".") != OXE_OK ||
            oxe_options_request(options, "worker", "answer") != OXE_OK ||
            oxe_python_start(options, &python, &error) != OXE_OK ||
            oxe_request_new(&request) != OXE_OK ||
            oxe_request_path(request, oxe_str("/hello")) != OXE_OK ||
            oxe_python_call(python, request, &response, &error) != OXE_OK ||
            oxe_response_body(response, &body) != OXE_OK) {
            fprintf(stderr, "%s\\n%s", oxe_error_message(error), oxe_error_traceback(error));
            return 1;
        }
        printf("%.*s", (int)body.len, (const char *)body.data);
        fflush(stdout); /* before Python writes to it at the end */
        oxe_response_free(response);
        oxe_python_free(python);
        return 0;
    }
"""

WORKER = """
import atexit
atexit.register(print, "and goodbye")

def answer(method, path, params, query, headers, body):
    return 200, f"{method} {path}\\n", {}
"""


@pytest.mark.needs("gcc", "pkg-config")
def test_a_program_built_with_pkg_config_runs_on_what_was_installed(
    embed_prefix: Prefix, tmp_path: Path, program: Callable[[str], str]
) -> None:
    tool = [sys.executable, str(ROOT / "tools" / "clib.py"), "install", "--profile", "dev"]
    installed = Prefix(tmp_path / "at")
    subprocess.run([*tool, "--prefix", str(installed.root)], check=True, stdout=subprocess.DEVNULL)
    (tmp_path / "hello.c").write_text(HELLO, encoding="utf-8")
    (tmp_path / "worker.py").write_text(WORKER, encoding="utf-8")
    ask = [program("pkg-config"), "--cflags", "--libs", "oxbridge_embed"]
    environment = {**settings(), "LD_LIBRARY_PATH": str(installed.lib)}
    environment["PKG_CONFIG_PATH"] = str(installed.lib / "pkgconfig")
    flags = subprocess.run(
        ask, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()
    hello = str(tmp_path / "hello")
    subprocess.run(
        [
            program("gcc"),
            "-std=c99",
            "-Wall",
            "-Werror",
            str(tmp_path / "hello.c"),
            *flags,
            "-o",
            hello,
        ],
        check=True,
    )
    done = subprocess.run(
        [hello], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("GET /hello\nand goodbye\n", "")
    assert embed_prefix.root.is_dir()


@pytest.mark.needs("gcc")
def test_a_program_that_dlopens_it_may_close_it(embed_prefix: Prefix, tmp_path: Path) -> None:
    source = tmp_path / "plugin.c"
    source.write_text(
        """
        #include <dlfcn.h>
        int main(int count, char **names) {
            void *library = dlopen(names[1], RTLD_NOW);
            if (count != 2 || library == 0 || dlclose(library) != 0) return 1;
            return dlopen(names[1], RTLD_NOW | RTLD_NOLOAD) == 0 ? 2 : 0;
        }
        """
    )
    plugin = compile_program(embed_prefix, tmp_path / "plugin", [source], "-Wl,--as-needed")
    subprocess.run([plugin, str(embed_prefix.lib / "liboxbridge_embed.so")], check=True)
