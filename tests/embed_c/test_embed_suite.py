"""The C programs of suite/ and soak/: plain, under the sanitizers, and under valgrind.

The programs are instrumented, the library is not: AddressSanitizer sees what the programs do on the
heap, LeakSanitizer and valgrind what either side leaves behind.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from embedding import HERE, compile_program, settings

from cbuild import Prefix

SUITE = sorted((HERE / "suite").glob("*.c"))
SOAK = [HERE / "soak" / "soak.c"]
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# A tool's own exit code, so that what it found is not taken for a case that failed.
FOUND = 86
BOUND = 300
CHECKS = {
    "ASAN_OPTIONS": f"exitcode={FOUND}:detect_leaks=1",
    "LSAN_OPTIONS": f"exitcode={FOUND}",
}

# The first test of all builds the library.
pytestmark = [pytest.mark.timeout(1200), pytest.mark.needs("libpython", "gcc")]


def run(command: list[str], **more: str) -> str:
    """Run a program that has to end well; return what it wrote to standard output."""
    done = subprocess.run(
        command,
        env=settings(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def run_suite(command: list[str], **more: str) -> None:
    """Run the suite, and make sure that it has come to its end."""
    said = run(command, **more)
    planned = re.search(r"^1\.\.(\d+)$", said, re.MULTILINE)
    passed = re.findall(r"^ok \d+ - ", said, re.MULTILINE)
    assert planned is not None, said
    assert int(planned[1]) == len(passed) >= 50, said


@pytest.mark.needs("clang")
@pytest.mark.parametrize(
    ("compiler", "standard"), [("gcc", "c99"), ("clang", "c11"), ("gcc", "c17")]
)
def test_the_suite_passes(
    embed_prefix: Prefix, tmp_path: Path, compiler: str, standard: str
) -> None:
    suite = compile_program(
        embed_prefix, tmp_path / "suite", SUITE, f"-std={standard}", compiler=compiler
    )
    run_suite([str(suite)])


def test_the_suite_passes_under_the_sanitizers(embed_prefix: Prefix, tmp_path: Path) -> None:
    flags = ("-std=c11", *SANITIZERS)
    suite = compile_program(embed_prefix, tmp_path / "suite", SUITE, *flags)
    run_suite([str(suite)], **CHECKS)


def test_twenty_thousand_calls_leave_nothing_behind(embed_prefix: Prefix, tmp_path: Path) -> None:
    soak = compile_program(embed_prefix, tmp_path / "soak", SOAK, "-std=c11")
    # Five thousand calls in a quarter: that is a leak of twenty bytes for each call, or of two
    # hundred for one in ten.
    said = run([str(soak), "20000", "100000"])
    assert re.fullmatch(r"20000 calls, \d+ callbacks; .* \S+ bytes\n", said)


def test_thousands_of_calls_pass_under_the_sanitizers(embed_prefix: Prefix, tmp_path: Path) -> None:
    flags = ("-std=c11", *SANITIZERS)
    soak = compile_program(embed_prefix, tmp_path / "soak", SOAK, *flags)
    run([str(soak), "10000"], **CHECKS)


@pytest.mark.needs("valgrind")
@pytest.mark.parametrize("which", ["suite", "soak"])
def test_valgrind_finds_nothing(
    embed_prefix: Prefix, tmp_path: Path, program: Callable[[str], str], which: str
) -> None:
    sources = {"suite": SUITE, "soak": SOAK}[which]
    built = compile_program(embed_prefix, tmp_path / which, sources, "-std=c11")
    valgrind = [program("valgrind"), "--quiet", "--fair-sched=yes", "--num-callers=30"]
    valgrind += ["--child-silent-after-fork=yes"]
    # CPython's own integers look at a digit that 0 does not have, and what they do with it spreads.
    valgrind += ["--undef-value-errors=no"]
    # Python's objects are known by a pointer to behind the collector's head of them: possibly lost.
    valgrind += ["--leak-check=full", "--show-leak-kinds=definite"]
    valgrind += ["--errors-for-leak-kinds=definite", f"--error-exitcode={FOUND}"]
    command = [*valgrind, str(built)]
    if which == "suite":
        run_suite(command)
    else:
        run([*command, "1000"])


LEAK = """
    #include <oxbridge_embed.h>
    int main(void) {
        oxe_request *request = NULL;
        /* Many, as something may still point to the last one. */
        for (int i = 0; i < 100; i++) {
            if (oxe_request_new(&request) != OXE_OK) return 1;
        }
        request = NULL;
        return request != NULL;
    }
"""

FREED = """
    #include <oxbridge_embed.h>
    #include <stdio.h>
    int main(void) {
        oxe_error *error = NULL;
        oxe_python *python = NULL;
        if (oxe_python_start(NULL, &python, &error) == OXE_OK) return 1;
        const char *message = oxe_error_message(error);
        oxe_error_free(error);
        return puts(message) < 0;
    }
"""


@pytest.mark.parametrize(
    ("source", "wanted"), [(LEAK, "LeakSanitizer"), (FREED, "heap-use-after-free")]
)
def test_the_sanitizers_see_a_fault(
    embed_prefix: Prefix, tmp_path: Path, source: str, wanted: str
) -> None:
    (tmp_path / "fault.c").write_text(source, encoding="utf-8")
    fault = compile_program(
        embed_prefix, tmp_path / "fault", [tmp_path / "fault.c"], "-std=c11", *SANITIZERS
    )
    done = subprocess.run(
        [fault],
        env=settings(**CHECKS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == FOUND, done.stderr
    assert wanted in done.stderr
