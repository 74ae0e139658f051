"""What every Python test may ask for: programs, servers in processes of their own, certificates.

A test that runs another program says so, and where the program is missing the test is skipped and
listed by name as not run; `make test` shows that list, and `.ci/run` fails on it:

    @pytest.mark.needs("curl")
    def test_curl_reads_hello(serve_example, program):
        hello = serve_example("hello.py")
        subprocess.run([program("curl"), f"{hello.url}/hello/curl"], check=True)
"""

from __future__ import annotations

import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import programs
from certificates import Certificates
from serving import ROOT, Serve, Served, ServeExample, ServeSource, python_command


def pytest_configure() -> None:
    """Let servers be interrupted, also where this run is a shell's background job.

    Such a shell has its jobs ignore SIGINT, and what they start inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# Tests that cannot run here


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose marker `needs` names a program that is not there."""
    needed = {name for marker in item.iter_markers("needs") for name in marker.args}
    if missing := sorted(name for name in needed if programs.find(name) is None):
        pytest.skip(f"needs {', '.join(missing)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List each skipped test, whatever it was skipped for, in the form run_tests.py reads."""
    for report in terminalreporter.getreports("skipped"):
        # (file, line, reason) for every kind of skip that pytest itself makes.
        why = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else "skipped"
        terminalreporter.write_line(f"NOT RUN: {report.nodeid} ({why.removeprefix('Skipped: ')})")


@pytest.fixture
def program() -> Callable[[str], str]:
    """Path of a program of tools/programs.py by its name there; the test skips if it is missing."""

    def find(name: str) -> str:
        path = programs.find(name)
        return path if path is not None else pytest.skip(f"needs {name}")

    return find


# Servers in processes of their own


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers by command line: `serve("oxbridge", "serve", "app:app", "--port", "0")`.

    All that they start is killed and reaped after the test; what they wrote to standard error is
    shown if the test fails.
    """
    started: list[Served] = []

    def start(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Served:
        started.append(Served(command, env=env, cwd=cwd))
        return started[-1]

    yield start
    for served in reversed(started):
        served.kill()
        print(f"-- {served.process.args!r} wrote:\n{served.stderr}", file=sys.stderr)


@pytest.fixture
def serve_example(serve: Serve) -> ServeExample:
    """Start examples by file name: `serve_example("hello.py").url`."""

    def start(name: str, *arguments: str, env: dict[str, str] | None = None) -> Served:
        return serve(*python_command(ROOT / "examples" / name, *arguments), env=env)

    return start


@pytest.fixture
def serve_source(serve: Serve, tmp_path: Path) -> ServeSource:
    """Start servers written out in the test. The source binds port 0 itself: `run(port=0)`."""

    def start(source: str, *, env: dict[str, str] | None = None) -> Served:
        script = tmp_path / f"server{len(list(tmp_path.glob('server*.py')))}.py"
        script.write_text(textwrap.dedent(source), encoding="utf-8")
        return serve(*python_command(script), env=env, cwd=tmp_path)

    return start


# Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for localhost, 127.0.0.1 and ::1, and for a client `client@example.org`."""
    import trustme

    place = tmp_path_factory.mktemp("certificates")
    made = Certificates(
        authority=place / "authority.pem",
        chain=place / "chain.pem",
        key=place / "key.pem",
        client_chain=place / "client-chain.pem",
        client_key=place / "client-key.pem",
    )
    authority = trustme.CA()
    authority.cert_pem.write_to_path(made.authority)
    for issued, chain, key in (
        (authority.issue_cert("localhost", "127.0.0.1", "::1"), made.chain, made.key),
        (authority.issue_cert("client@example.org"), made.client_chain, made.client_key),
    ):
        for part in issued.cert_chain_pems:
            part.write_to_path(chain, append=True)
        issued.private_key_pem.write_to_path(key)
    return made
