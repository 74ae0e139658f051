"""Runs every test in every language and says in one line how it went. `make test` calls it.

    python tools/run_tests.py [--strict] [--no-install] [SUITE ...]

A test that cannot run on this machine is no failure, but it is never passed over in silence: it is
listed by name at the end. A suite reports it with a line `NOT RUN: name (why)`. With --strict, any
such test makes the run fail. Tests that failed are listed there, too, and where CI is set also
those that failed and passed when they were run again (second_try.py).

What the later suites run is built meanwhile, in the background: see `Suite.builds`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import programs
import second_try
from background import Background, Build
from clib_cargo import target_dir
from tally import Tally, report

ROOT = Path(__file__).resolve().parent.parent
# The C libraries, and the languages that use them.
C_TESTS = ("tests/c", "tests/gohttp", "tests/languages", "tests/embed_c")
# What `oxbridge serve` is for: applications, their interfaces, workers.
SERVE_TESTS = ("tests/apps", "tests/protocols", "tests/asyncio_fidelity", "tests/serve")
# What is served inside a Rust program, too.
EMBEDDED_APPS = ("flask", "django", "starlette", "fastapi")
# Sites that are examples of that.
EMBEDDED_SITES = "tests/examples/test_embed_sites.py"
# Every path of a request, against its budget.
INSTRUCTIONS = "tests/instructions"
# As tests/cbuild.py asks for the C libraries.
CLIB = (sys.executable, str(ROOT / "tools" / "clib.py"), "build")
# What depends on the interpreter that serves: tasks, awaitables, the loop.
NEWEST_TESTS = tuple(
    f"tests/protocols/test_{name}.py"
    for name in ("asgi", "coroutines", "lifespan", "rsgi", "websocket_asgi", "wsgi")
)
# The bound of one suite, in seconds: what hangs is cut while the run can still say what it was.
SUITE_BOUND = 1500


@dataclass
class Suite:
    """One command that runs tests. `counts` is false for a command that is itself one check.

    `needs` names a program of programs.py, and `settings` variables that the command is run with.
    `builds` make what it runs; while earlier suites run, they are made in the background. A suite
    that is not `timed` has no test for which time matters: all of it is run there.
    """

    name: str
    command: list[str]
    counts: bool = True
    # Exit codes besides 0 that are no failure.
    fine: tuple[int, ...] = ()
    needs: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    builds: list[Build] = field(default_factory=list)
    timed: bool = True

    def run(self, environment: dict[str, str], background: Background) -> Tally:
        """Run the suite, its output shown as it comes, and count."""
        if not self.can_run():
            return Tally(not_run=[f"{self.name} (needs {self.needs})"])
        print(f"\n-- {self.name}: {' '.join(self.command)}", flush=True)
        began = time.monotonic()
        for build in self.builds:
            print(f"-- {self.name}: waits for {build.name}", flush=True)
            outcome = background.finish(build)
            if outcome.status != 0:
                print(outcome.output, end="")
                command = " ".join(build.command)
                print(f"-- {self.name}: failed ({outcome.status}): {command}", flush=True)
                return Tally(failed=1, failures=[f"{self.name} - was not built: {command}"])
            print(f"-- {self.name}: {build.name} took {outcome.seconds:.0f} s", flush=True)
        waited = time.monotonic() - began
        began = time.monotonic()
        tally = Tally()
        if self.timed:
            status = _stream(self.command, {**environment, **self.settings}, tally)
        else:
            outcome = background.finish(self.whole)
            status = outcome.status
            print(outcome.output, end="")
            for line in outcome.output.splitlines():
                tally.read(line)
        failed = status != 0 and status not in self.fine
        if failed and self.counts and os.environ.get("CI"):
            # Before what has no name is counted: a crash is not tried again.
            tally = self._try_again(tally, environment)
            failed = not tally.flaky
        if not self.counts:
            tally.passed, tally.failed = (0, 1) if failed else (1, 0)
        elif failed and tally.failed == 0:
            # It did not compile, or it crashed: no test says so, and the total must.
            tally.failed = 1
        if failed and not tally.failures:
            tally.failures.append(f"{self.name} - ended with status {status}")
        took = f"{time.monotonic() - began:.0f} s"
        print(f"-- {self.name}: {took}, after {waited:.0f} s for its builds", flush=True)
        return tally

    def _try_again(self, tally: Tally, environment: dict[str, str]) -> Tally:
        """Run the failed tests once more, if they are few; give what is to be counted."""
        command = second_try.command(self.command, tally)
        if command is None:
            return tally
        print(f"\n-- {self.name}, what failed once more: {' '.join(command)}", flush=True)
        second = Tally()
        status = _stream(command, {**environment, **self.settings}, second)
        return second_try.merged(tally, second, status)

    @property
    def beside(self) -> list[Build]:
        """What is done for it in the background."""
        return self.builds if self.timed else [*self.builds, self.whole]

    @property
    def whole(self) -> Build:
        """Its run, for the background."""
        return Build("the run", tuple(self.command), self.settings)

    def can_run(self) -> bool:
        """Whether the program that it needs is there."""
        return self.needs is None or programs.find(self.needs) is not None


def suites() -> list[Suite]:
    """List every suite, quickest answer first; those that have to be built come last."""
    python = sys.executable
    locked = ["--locked"] if os.environ.get("CI") else []
    elsewhere = (*SERVE_TESTS, *C_TESTS, EMBEDDED_SITES, INSTRUCTIONS)
    # The extension module links against an interpreter's symbols: its tests are the Python tests.
    # What embeds Python is a suite of its own.
    embeds = ("oxbridge-embed", "oxbridge-embed-capi")
    apart = [part for package in ("oxbridge-python", *embeds) for part in ("--exclude", package)]
    rust = ["cargo", "test", "--workspace", *apart, "--no-fail-fast"]
    rust += locked
    rust_tests = Build("the tests", (*rust, "--no-run"))
    embed = ["cargo", "test", "--no-fail-fast", *locked]
    embed += [part for package in embeds for part in ("--package", package)]
    embed_tests = Build("the tests of embedding", (*embed, "--no-run"))
    loom = ["cargo", "test", "--package", "oxbridge-handles", "--test", "loom", *locked]
    loom_settings = {
        "RUSTFLAGS": "--cfg loom",
        # A place of its own: other flags would have all else compiled anew, each time.
        "CARGO_TARGET_DIR": str(target_dir() / "loom"),
        "CARGO_PROFILE_DEV_DEBUG": "0",
    }
    miri = ["cargo", "+nightly", "miri", "test", "--package", "oxbridge-handles", *locked]
    only = ("--only", "oxbridge", "--only", "gohttp")
    examples = ["cargo", "build", "--profile", "quick", "-p", "oxbridge", "-p", "oxbridge-cache"]
    examples += ["--example", "native", "--example", "one_node", *locked]
    counted = Build("the programs that are counted", tuple(examples))
    embedding = ["cargo", "build", "--profile", "quick", "-p", "oxbridge-embed", *locked]
    embedding_counted = Build("the one with Python inside", (*embedding, "--example", "embed"))
    libraries = Build("the C libraries", (*CLIB, "--profile", "quick", *only))
    miri_settings = {"MIRIFLAGS": "-Zmiri-strict-provenance"}
    stubtest = [python, "-m", "mypy.stubtest", "--mypy-config-file", "pyproject.toml", "--concise"]
    return [
        Suite("stubs", [*stubtest, *_stubs()], counts=False),
        # 5: no docstring holds an example.
        Suite(
            "docstrings",
            # What is for Django cannot be imported where no site is set up.
            [
                python,
                "-m",
                "pytest",
                "--doctest-modules",
                "--ignore=python/oxbridge/contrib",
                "python",
            ],
            fine=(5,),
        ),
        Suite("serve", [python, "-m", "pytest", *SERVE_TESTS]),
        # All the others, but for the C libraries', which come last: they build the most.
        Suite(
            "python",
            [python, "-m", "pytest", *(f"--ignore={place}" for place in elsewhere)],
            # The benchmark has rows in C.
            builds=[libraries],
        ),
        # What a request costs, by count: the machine may be busy meanwhile.
        Suite(
            "instructions",
            [python, "-m", "pytest", INSTRUCTIONS],
            needs="valgrind",
            builds=[libraries, counted]
            + ([embedding_counted] if programs.find("libpython") else []),
        ),
        # --show-output: a test that cannot run says so on its output, and passes.
        Suite("rust", [*rust, "--", "--show-output"], builds=[rust_tests]),
        # Python inside Rust programs. The profile and the features are those of the suite before.
        Suite("embed", [*embed, "--", "--show-output"], builds=[embed_tests], needs="libpython"),
        # The applications again, inside an axum program: what is the server's own is left out.
        Suite(
            "embed-apps",
            [
                *(python, "-m", "pytest", "tests/apps"),
                *("-k", f"({' or '.join(EMBEDDED_APPS)}) and not h2 and not tls and not collected"),
            ],
            needs="libpython",
            settings={"OXBRIDGE_TEST_SERVER": "axum"},
        ),
        # Programs as their READMEs have them, which `embed` has built.
        Suite("embed-sites", [python, "-m", "pytest", EMBEDDED_SITES], needs="libpython"),
        # The interfaces, with the server on the newest interpreter that is there. After what embeds
        # Python, or PyO3 would be compiled for the one, for the other, and for the one again.
        Suite("newest", [python, "tools/run_on_newest.py", *NEWEST_TESTS]),
        # The handles that C programs hold: every interleaving of small cases, and every access.
        Suite("loom", loom, settings=loom_settings, timed=False),
        Suite("miri", miri, settings=miri_settings, timed=False, needs="nightly"),
        Suite("c", [python, "-m", "pytest", *C_TESTS], builds=[libraries, *_sanitized()]),
    ]


def _sanitized() -> list[Build]:
    """What builds the libraries for tests/c/test_sanitizers.py, where its tests can run."""
    if not (programs.find("nightly") and programs.find("clang")):
        return []
    return [
        Build(f"liboxbridge with {name}", (*CLIB, "--only", "oxbridge", "--sanitize", sanitizer))
        for name, sanitizer in (("AddressSanitizer", "address"), ("ThreadSanitizer", "thread"))
    ]


def _stubs() -> list[str]:
    """List the modules that have a stub. The others carry their types in their own source."""
    top = ROOT / "python"
    stubs = sorted(stub.relative_to(top).with_suffix("") for stub in top.rglob("*.pyi"))
    return [".".join(stub.parts).removesuffix(".__init__") for stub in stubs]


def main() -> int:
    """Run the suites asked for and return the exit code."""
    known = [suite.name for suite in suites()]
    parser = argparse.ArgumentParser(description="Run the tests of every language.")
    parser.add_argument("--strict", action="store_true", help="fail if any test cannot run")
    parser.add_argument("--no-install", action="store_true", help="install no missing program")
    parser.add_argument("suite", nargs="*", help=f"of {', '.join(known)}")
    asked = parser.parse_args()
    if unknown := set(asked.suite) - set(known):
        parser.error(f"no suite is called {', '.join(sorted(unknown))}")

    if not asked.no_install:
        programs.install()
    # Whoever ends the run ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    environment = {**os.environ, **programs.environment()}
    # Anew, now that what they need is installed.
    chosen = [suite for suite in suites() if not asked.suite or suite.name in asked.suite]
    builds = [build for suite in chosen if suite.can_run() for build in suite.beside]
    with Background(builds, environment) as background:
        tallies = [suite.run(environment, background) for suite in chosen]
    return report(tallies, strict=asked.strict)


def _stream(command: list[str], environment: dict[str, str], tally: Tally) -> int:
    """Run a command in the project's root, pass its output on as it comes, return its exit code."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Its own group, so that what a test leaves running goes with it.
        start_new_session=True,
    ) as process:
        cut = threading.Timer(SUITE_BOUND, _kill, [process])
        cut.start()
        try:
            # stdout=PIPE above: the stream is there.
            for line in process.stdout or ():
                sys.stdout.write(line)
                sys.stdout.flush()
                tally.read(line.rstrip("\n"))
            return process.wait()
        finally:
            cut.cancel()
            _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """End the command's whole group, if any of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
