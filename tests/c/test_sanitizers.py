"""The suite of C programs in tests/c/suite, under the sanitizers and under valgrind.

The library is instrumented for the sanitizers too, so that a fault on either side of the boundary
is seen. What a tool has to say it writes into files of its own, because the suite also tests that
the library writes nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_suite import SOURCES, STRICT

import programs
from cbuild import CompileC, Prefix, clib, compiler_path

HERE = Path(__file__).parent
# A tool's own exit code, so that what it found is not taken for a case that failed.
FOUND = 86

# For the run alone: the build of an instrumented library is a fixture, with a bound of its own.
pytestmark = pytest.mark.timeout(600, func_only=True)

Program = Callable[[str], str]


def run(command: list[str], report: Path, **settings: str) -> None:
    """Run the suite; fail with what failed, and with what the tool has reported."""
    done = subprocess.run(
        command,
        env={**os.environ, **programs.environment(), **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    said = done.stdout
    reports = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(report.parent.glob(f"{report.name}*"))
    )
    failed = re.findall(r"^not ok .*$", said, re.MULTILINE)
    whole = f"{said}\n{reports}"
    assert not failed, "\n".join([*failed, "", whole])
    assert done.returncode == 0, f"exit code {done.returncode}\n{whole}"
    planned = re.search(r"^1\.\.(\d+)$", said, re.MULTILINE)
    passed = re.findall(r"^ok \d+ - .*$", said, re.MULTILINE)
    assert planned is not None, whole
    assert int(planned[1]) == len(passed) > 0, whole
    if skipped := [line for line in passed if "# skip" in line]:
        pytest.skip("; ".join(skipped))


@dataclass(frozen=True)
class Instrumented:
    """liboxbridge with a sanitizer in it."""

    sanitizer: str
    prefix: Prefix

    def compile(self, program: Path, sources: Sequence[Path], *flags: str) -> Path:
        """Compile C files with the same sanitizer and link them to the library."""
        clang = compiler_path("clang")
        options = [*STRICT, f"-fsanitize={self.sanitizer}", *flags, f"-I{self.prefix.include}"]
        objects = []
        for source in sources:
            objects.append(str(program.with_name(f"{source.stem}.o")))
            subprocess.run([clang, *options, "-c", str(source), "-o", objects[-1]], check=True)
        needs = (self.prefix.lib / "liboxbridge.needs").read_text(encoding="utf-8").split()
        # No -fsanitize here: it would add the compiler's own runtime to rustc's.
        link = [clang, *objects, str(self.prefix.lib / "liboxbridge.a"), *needs, "-pthread"]
        subprocess.run([*link, "-o", str(program)], check=True)
        return program


@pytest.fixture(scope="session")
def instrumented(request: pytest.FixtureRequest) -> Instrumented:
    """The library with the sanitizer that the test names."""
    prefix = Prefix(clib("build", "--only", "oxbridge", "--sanitize", request.param))
    return Instrumented(request.param, prefix)


@pytest.mark.needs("clang", "nightly")
@pytest.mark.parametrize("instrumented", ["address"], indirect=True)
def test_the_suite_passes_under_addresssanitizer_and_ubsan(
    instrumented: Instrumented, tmp_path: Path
) -> None:
    undefined = ["-fsanitize=undefined", "-fno-sanitize-recover=undefined"]
    suite = instrumented.compile(tmp_path / "suite", SOURCES, *undefined)
    report = tmp_path / "report"
    options = f"log_path={report}:exitcode={FOUND}"
    run(
        [str(suite)],
        report,
        ASAN_OPTIONS=f"{options}:detect_stack_use_after_return=1:strict_string_checks=1",
        UBSAN_OPTIONS=f"{options}:print_stacktrace=1",
    )


@pytest.mark.needs("clang", "nightly")
@pytest.mark.parametrize("instrumented", ["thread"], indirect=True)
def test_the_suite_passes_under_threadsanitizer(instrumented: Instrumented, tmp_path: Path) -> None:
    suite = instrumented.compile(tmp_path / "suite", SOURCES)
    report = tmp_path / "report"
    # die_after_fork: a child of a program with threads may go on, that is what fork.c tests.
    options = f"log_path={report}:exitcode={FOUND}:die_after_fork=0:second_deadlock_stack=1"
    run([str(suite)], report, TSAN_OPTIONS=options, OXB_SUITE_SCALE="0.2")


FREED = """
    #include <oxbridge.h>
    #include <stdio.h>
    int main(void) {
        oxb_config *config = NULL;
        oxb_error *error = NULL;
        if (oxb_config_new(&config) != OXB_OK) return 1;
        if (oxb_config_listen(config, "nowhere", &error) == OXB_OK) return 1;
        const char *message = oxb_error_message(error);
        oxb_error_free(error);
        oxb_config_free(config);
        return puts(message) < 0;
    }
"""

RACE = """
    #include <oxbridge.h>
    #include <pthread.h>
    static int shared;
    static void *count(void *unused) {
        shared += (int)oxb_version();
        return unused;
    }
    int main(void) {
        pthread_t first, second;
        pthread_create(&first, NULL, count, NULL);
        pthread_create(&second, NULL, count, NULL);
        return pthread_join(first, NULL) | pthread_join(second, NULL);
    }
"""


@pytest.mark.needs("clang", "nightly")
@pytest.mark.parametrize(
    ("instrumented", "source", "wanted"),
    [("address", FREED, "heap-use-after-free"), ("thread", RACE, "data race")],
    indirect=["instrumented"],
)
def test_the_sanitizers_see_a_fault(
    instrumented: Instrumented, tmp_path: Path, source: str, wanted: str
) -> None:
    (tmp_path / "fault.c").write_text(source, encoding="utf-8")
    fault = instrumented.compile(tmp_path / "fault", [tmp_path / "fault.c"])
    variable = {"address": "ASAN_OPTIONS", "thread": "TSAN_OPTIONS"}[instrumented.sanitizer]
    settings = {**os.environ, variable: f"exitcode={FOUND}"}
    done = subprocess.run(
        [str(fault)], env=settings, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == FOUND, done.stderr
    assert wanted in done.stderr


@pytest.mark.needs("gcc", "valgrind")
def test_the_suite_passes_under_valgrind(
    compile_c: CompileC, tmp_path: Path, program: Program
) -> None:
    # The static library, which has the names of its functions for reports and suppressions.
    suite = compile_c(*SOURCES, static=True, flags=STRICT, name="suite")
    report = tmp_path / "report"
    valgrind = [program("valgrind"), "--tool=memcheck", "--fair-sched=yes", "--num-callers=30"]
    valgrind += ["--leak-check=full", "--show-leak-kinds=definite,possible"]
    valgrind += ["--errors-for-leak-kinds=definite,possible", f"--error-exitcode={FOUND}"]
    valgrind += [f"--suppressions={HERE / 'valgrind.supp'}", f"--log-file={report}.%p"]
    run([*valgrind, str(suite)], report, OXB_SUITE_SCALE="0.1")
