"""`make install`, and what programs do with it: pkg-config, CMake, a tree that is moved."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from elf import SONAMES, dynamic

import clib_cargo
from cbuild import BUILD_BOUND, PROFILE, Prefix
from serving import ROOT, Serve

HELLO = """
    #include <oxbridge.h>
    #include <stdio.h>
    #include <stdlib.h>

    static void hello(oxb_exchange exchange, void *user_data) {
        (void)user_data;
        oxb_exchange_reply(exchange, 200, "text/plain", oxb_str("hello, world\\n"));
    }

    int main(void) {
        oxb_config *config = NULL;
        oxb_server *server = NULL;
        oxb_bytes url;
        if (oxb_config_new(&config) != OXB_OK ||
            oxb_config_listen(config, "127.0.0.1:0", NULL) != OXB_OK ||
            oxb_config_handle(config, "GET /{$}", hello, NULL, NULL, NULL) != OXB_OK ||
            oxb_server_start(config, &server, NULL) != OXB_OK ||
            oxb_server_url(server, &url) != OXB_OK) {
            return EXIT_FAILURE;
        }
        fprintf(stderr, "Serving on %.*s\\n", (int)url.len, (const char *)url.data);
        oxb_server_wait(server, OXB_FOREVER);
        oxb_server_free(server);
        return EXIT_SUCCESS;
    }
"""

CMAKE = """
    cmake_minimum_required(VERSION 3.16)
    project(hello LANGUAGES CXX)
    set(CMAKE_CXX_STANDARD 17)
    find_package(Oxbridge {asked} REQUIRED)
    add_executable(shared hello.cc)
    target_link_libraries(shared PRIVATE Oxbridge::oxbridge)
    add_executable(static hello.cc)
    target_link_libraries(static PRIVATE Oxbridge::oxbridge_static)
"""

MAJOR, MINOR = (int(part) for part in clib_cargo.version().split(".")[:2])

Program = Callable[[str], str]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, c_prefix: Prefix) -> Prefix:
    """The libraries, installed by the makefile and moved elsewhere afterwards."""
    place = tmp_path_factory.mktemp("install")
    # c_prefix has built what make looks after; an override of it has nothing to do with this tree.
    make = ["make", "install", f"PROFILE={PROFILE}", f"PREFIX={place}/at/first"]
    make.append("LIBRARIES=oxbridge gohttp")
    subprocess.run(make, cwd=ROOT, check=True, timeout=BUILD_BOUND)
    shutil.move(place / "at" / "first", place / "moved")
    return Prefix(place / "moved")


def ask(program: Program, serve: Serve, command: Path, prefix: Prefix | None = None) -> str:
    """Run a server and ask it with curl."""
    served = serve(str(command), env=prefix.environment() if prefix else None)
    curl = [program("curl"), "--silent", "--show-error", "--fail", f"{served.url}/"]
    return subprocess.run(curl, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.fixture
def hello_c(tmp_path: Path) -> Path:
    """A server in C."""
    (tmp_path / "hello.c").write_text(HELLO, encoding="utf-8")
    return tmp_path / "hello.c"


def pkg_config(program: Program, prefix: Prefix, *options: str) -> list[str]:
    """Flags that pkg-config gives for liboxbridge."""
    command = [program("pkg-config"), *options, "oxbridge"]
    environment = prefix.environment()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split()


@pytest.mark.needs("curl", "pkg-config", "gcc")
def test_a_program_built_with_pkg_config_runs_on_the_shared_library(
    installed: Prefix, hello_c: Path, tmp_path: Path, serve: Serve, program: Program
) -> None:
    flags = pkg_config(program, installed, "--cflags", "--libs")
    command = [program("gcc"), str(hello_c), *flags, "-o", str(tmp_path / "hello")]
    subprocess.run(command, check=True)
    assert SONAMES["oxbridge"] in re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic(tmp_path / "hello"))
    assert ask(program, serve, tmp_path / "hello", installed) == "hello, world\n"


@pytest.mark.needs("curl", "pkg-config", "gcc", "clang")
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("how", [["-static"], ["-Wl,-Bstatic", "-loxbridge", "-Wl,-Bdynamic"]])
def test_a_program_built_with_pkg_config_holds_the_static_library(
    installed: Prefix,
    hello_c: Path,
    tmp_path: Path,
    serve: Serve,
    program: Program,
    compiler: str,
    how: list[str],
) -> None:
    flags = pkg_config(program, installed, "--static", "--cflags", "--libs")
    if how != ["-static"]:
        flags.remove("-loxbridge")
    command = [program(compiler), str(hello_c), *flags[:2], *how, *flags[2:]]
    subprocess.run([*command, "-o", str(tmp_path / "hello")], check=True)
    assert "oxbridge" not in dynamic(tmp_path / "hello")
    # No LD_LIBRARY_PATH: there is nothing to find.
    assert ask(program, serve, tmp_path / "hello") == "hello, world\n"


def test_pkg_config_knows_the_version(installed: Prefix, program: Program) -> None:
    assert pkg_config(program, installed, "--modversion") == [clib_cargo.version()]


def configure(program: Program, prefix: Prefix, source: Path, asked: str) -> subprocess.Popen[str]:
    """Have CMake look for this version of the package."""
    (source / "CMakeLists.txt").write_text(CMAKE.format(asked=asked), encoding="utf-8")
    (source / "hello.cc").write_text(HELLO, encoding="utf-8")
    return subprocess.Popen(
        [program("cmake"), "-S", str(source), "-B", str(source / "build")],
        env=prefix.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.needs("curl", "cmake", "g++")
@pytest.mark.parametrize("target", ["shared", "static"])
def test_a_cpp_program_built_with_cmake_runs(
    installed: Prefix, tmp_path: Path, serve: Serve, program: Program, target: str
) -> None:
    version = clib_cargo.version()
    said, _ = (configuring := configure(program, installed, tmp_path, version)).communicate()
    assert configuring.returncode == 0, said
    build = [program("cmake"), "--build", str(tmp_path / "build"), "--target", target]
    subprocess.run(build, check=True)
    # CMake gives a program that is not installed yet the path to its libraries.
    command = tmp_path / "build" / target
    assert ("liboxbridge" in dynamic(command)) == (target == "shared")
    assert ask(program, serve, command) == "hello, world\n"


@pytest.mark.needs("cmake", "g++")
@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ("", True),
        (f"{MAJOR}", True),
        (f"{MAJOR}.{MINOR}", True),
        (f"{MAJOR}.{MINOR + 1}", False),
        (f"{MAJOR + 1}", False),
        (f"{MAJOR + 1}.{MINOR}", False),
    ],
)
def test_cmake_takes_a_version_of_the_same_series_only(
    installed: Prefix, tmp_path: Path, program: Program, asked: str, fits: bool
) -> None:
    said, _ = (configuring := configure(program, installed, tmp_path, asked)).communicate()
    assert (configuring.returncode == 0) == fits, said


def test_destdir_is_put_before_the_prefix(tmp_path: Path, c_prefix: Prefix) -> None:
    make = ["make", "install", f"PROFILE={PROFILE}"]
    make += [f"DESTDIR={tmp_path}/stage", "PREFIX=/opt/oxbridge"]
    subprocess.run(make, cwd=ROOT, check=True, timeout=BUILD_BOUND)
    root = tmp_path / "stage" / "opt" / "oxbridge"
    assert (root / "include" / "oxbridge.h").is_file()
    for found in root.rglob("*"):
        if found.suffix in (".pc", ".cmake", ".h", ".hpp", ".3"):
            # What names a place cannot be moved.
            text = found.read_text(encoding="utf-8")
            assert str(tmp_path) not in text
            assert "/opt/" not in text
            assert str(ROOT) not in text


def test_an_installed_tree_holds_what_it_should(installed: Prefix) -> None:
    found = {str(path.relative_to(installed.root)) for path in installed.root.rglob("*")}
    for wanted in (
        "include/oxbridge.hpp",
        "include/libgohttp.h",
        "lib/liboxbridge.a",
        "lib/libgohttp.so",
        "lib/libgohttp.a",
        "lib/pkgconfig/gohttp.pc",
        "share/man/man3/oxb_server_start.3",
        "share/doc/oxbridge/reference.md",
        "share/doc/oxbridge/LICENSE-MIT",
        "share/doc/oxbridge/LICENSE-APACHE",
    ):
        assert wanted in found
    assert os.access(installed.lib / "liboxbridge.so", os.X_OK)
    assert os.readlink(installed.lib / "liboxbridge.so").startswith("liboxbridge.so.")
    assert not [name for name in found if name.endswith((".new", ".needs"))]
