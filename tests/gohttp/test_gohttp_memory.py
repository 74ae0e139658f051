"""Memory: numbers that outlive what they stood for, leaks, and writers in the wrong hands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hosted import Host, Hosted
from libgohttp import Library, run

from leaks import MIB, assert_no_leak

HostC = Callable[..., Hosted]


def load(h2load: str, hosted: Hosted, requests: int) -> None:
    """Have ten clients ask for "/" so many times; each answer is a success."""
    url = f"http://127.0.0.1:{hosted.port}/"
    said = run(h2load, "--h1", "-n", str(requests), "-c", "10", url)
    assert f"{requests} succeeded, 0 failed" in said


@pytest.mark.needs("h2load")
@pytest.mark.timeout(300)
def test_numbers_stay_unique_and_memory_flat(host_c: HostC, program: Callable[[str], str]) -> None:
    hold = host_c("hold.c")
    # The first handler's number is kept, and used after each of these.
    load(program("h2load"), hold, 70_000)
    assert hold.ask("/stale") == (200, b"-1 0")
    assert_no_leak(lambda _: load(program("h2load"), hold, 100_000), hold.memory, 2 * MIB)
    assert hold.ask("/stale") == (200, b"-1 0")


@pytest.mark.needs("h2load")
def test_writers_in_the_wrong_hands_do_no_harm(
    host_c: HostC, program: Callable[[str], str]
) -> None:
    abuse = host_c("abuse.c")
    load(program("h2load"), abuse, 5_000)
    assert abuse.ask("/stop")[0] == 200
    assert abuse.wait() == 0
    assert abuse.stderr == ""


@pytest.mark.needs("valgrind")
@pytest.mark.parametrize("source", ["hello.c", "abuse.c"])
def test_valgrind_finds_no_error_and_no_leak(
    library: Library, host: Host, tmp_path: Path, program: Callable[[str], str], source: str
) -> None:
    target = library.compile(source, tmp_path / "target")
    leaks = "definite,indirect"
    checks = ["--leak-check=full", f"--show-leak-kinds={leaks}", f"--errors-for-leak-kinds={leaks}"]
    checked = host([program("valgrind"), "--error-exitcode=9", "--fair-sched=yes", *checks, target])
    for _ in range(20):
        assert checked.ask("/a")[0] == 200
    assert checked.ask("/stop")[0] == 200
    assert checked.wait() == 0, checked.stderr
    assert "ERROR SUMMARY: 0 errors" in checked.stderr
