"""The files that programs link to: what they show, what they ask for, whom they get on with."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from elf import SONAMES, dynamic, listed, shown

import clib_cargo
from cbuild import CompileC, Prefix
from serving import ROOT


@pytest.mark.parametrize("library", SONAMES)
def test_the_shared_library_shows_the_listed_functions_and_nothing_else(
    c_prefix: Prefix, library: str
) -> None:
    assert shown("--dynamic", file=c_prefix.lib / f"lib{library}.so") == sorted(listed(library))


@pytest.mark.parametrize("library", SONAMES)
def test_the_archive_shows_the_listed_functions_and_nothing_else(
    c_prefix: Prefix, library: str
) -> None:
    assert shown("--extern-only", file=c_prefix.lib / f"lib{library}.a") == sorted(listed(library))


@pytest.mark.parametrize("library", SONAMES)
def test_every_listed_function_came_with_a_version_that_there_was(library: str) -> None:
    def parts(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split("."))

    current = parts(clib_cargo.version())
    for name, since in listed(library).items():
        assert parts(since) <= current, f"{name} since {since}"
    assert list(listed(library)) == sorted(listed(library)), "sorted, so that a diff shows one line"


@pytest.mark.parametrize(("library", "soname"), SONAMES.items())
def test_the_shared_library_has_its_soname_and_needs_the_system_only(
    c_prefix: Prefix, library: str, soname: str
) -> None:
    told = dynamic(c_prefix.lib / f"lib{library}.so")
    assert re.findall(r"\(SONAME\).*\[(.+)\]", told) == [soname]
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", told))
    assert needed <= {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"}
    assert not re.findall(r"\((?:RPATH|RUNPATH|TEXTREL)\)", told)


@pytest.mark.parametrize("library", SONAMES)
def test_the_shared_library_carries_no_symbols_for_debuggers(
    c_prefix: Prefix, library: str
) -> None:
    command = ["readelf", "--sections", "--wide", str(c_prefix.lib / f"lib{library}.so")]
    sections = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert ".text" in sections
    assert not re.findall(r"\.(?:symtab|debug_\w+)", sections)


def test_the_numbered_names_lead_to_one_file(c_prefix: Prefix) -> None:
    _, minor, patch = clib_cargo.version().split(".")
    real = c_prefix.lib / f"{SONAMES['oxbridge']}.{minor}.{patch}"
    assert not real.is_symlink()
    assert (c_prefix.lib / "liboxbridge.so").resolve() == real.resolve()
    assert (c_prefix.lib / SONAMES["oxbridge"]).resolve() == real.resolve()


PLUGIN = """
    #include <dlfcn.h>
    #include <stdio.h>
    #include <stdint.h>
    int main(int count, char **names) {
        void *library = dlopen(names[1], RTLD_NOW);
        if (count != 2 || library == NULL || dlclose(library) != 0) return 1;
        /* RTLD_NOLOAD finds only what is still there. */
        return dlopen(names[1], RTLD_NOW | RTLD_NOLOAD) == NULL ? 2 : 0;
    }
"""


@pytest.mark.parametrize("library", SONAMES)
def test_dlclose_leaves_the_library_to_its_threads(
    c_prefix: Prefix, compile_c: CompileC, tmp_path: Path, library: str
) -> None:
    source = tmp_path / "plugin.c"
    source.write_text(PLUGIN, encoding="utf-8")
    program = compile_c(source, library=library, flags=["-Wl,--as-needed"])
    subprocess.run([str(program), str(c_prefix.lib / f"lib{library}.so")], check=True)


BOTH = """
    #include <oxbridge.h>
    #include <libgohttp.h>
    #include <stdio.h>
    int another_library(void);
    /* As in a program that has OpenSSL in it. */
    int SSL_new = 1, EVP_sha256 = 2, OPENSSL_cleanse = 3;
    int main(void) {
        char pattern[] = "GET /{";
        HandleFunc(pattern, NULL);
        oxb_config *config = NULL;
        if (oxb_config_new(&config) != OXB_OK) return 1;
        oxb_config_free(config);
        printf("%s %d\\n", oxb_version_string(), another_library());
        return 0;
    }
"""

ANOTHER = """
    #[unsafe(no_mangle)]
    pub extern "C" fn another_library() -> i32 {
        std::panic::catch_unwind(|| std::env::args().count() as i32 + 41).unwrap_or(-1)
    }
"""


@pytest.mark.parametrize("first", ["oxbridge", "gohttp"])
def test_both_archives_link_into_one_program_beside_another_rust_library(
    c_prefix: Prefix, compile_c: CompileC, tmp_path: Path, first: str
) -> None:
    rust = tmp_path / "another.rs"
    rust.write_text(ANOTHER, encoding="utf-8")
    another = tmp_path / "libanother.a"
    command = ["rustc", "--edition", "2024", "--crate-type", "staticlib", "-o", str(another)]
    subprocess.run([*command, str(rust)], check=True, cwd=ROOT)

    source = tmp_path / "both.c"
    source.write_text(BOTH, encoding="utf-8")
    second = "gohttp" if first == "oxbridge" else "oxbridge"
    archives = [source, c_prefix.lib / f"lib{second}.a", another]
    program = compile_c(*archives, library=first, static=True)
    said = subprocess.run([str(program)], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said == f"{clib_cargo.version()} 42\n"
