"""h2load and nghttp against the server: thousands of requests, none lost, none refused."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from application import Application

REQUESTS = 5000


@pytest.mark.needs("h2load")
@pytest.mark.parametrize("path", ["/hello", "/bytes/10240", "/coroutine", "/files/page.html"])
@pytest.mark.parametrize(
    ("over", "options"),
    [
        pytest.param("cleartext", ["--h1", "-c", "20"], id="HTTP/1.1"),
        pytest.param("cleartext", ["--h1", "-c", "20", "-m", "8"], id="HTTP/1.1-pipelined"),
        pytest.param("cleartext", ["-c", "5", "-m", "50"], id="h2c"),
        pytest.param("TLS", ["-c", "5", "-m", "50"], id="HTTP/2-over-TLS"),
        pytest.param("TLS", ["--h1", "-c", "20"], id="HTTP/1.1-over-TLS"),
        # More streams at once than the server allows: the client has to keep to the limit.
        pytest.param("cleartext", ["-c", "2", "-m", "1000"], id="h2c-past-the-limit"),
    ],
)
def test_every_request_is_answered(
    over: str,
    options: list[str],
    path: str,
    application: Application,
    program: Callable[[str], str],
) -> None:
    url = application.url if over == "cleartext" else application.tls_url
    said = run([program("h2load"), "-n", str(REQUESTS), *options, url + path])
    counts = f"requests: {REQUESTS} total, {REQUESTS} started, {REQUESTS} done, "
    assert f"{counts}{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in said, said
    assert f"status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx" in said, said
    asked = "http/1.1" if "--h1" in options else "h2c" if over == "cleartext" else "h2"
    assert f"Application protocol: {asked}" in said, said


@pytest.mark.needs("h2load")
@pytest.mark.parametrize("options", [["--h1", "-c", "10"], ["-c", "4", "-m", "20"]])
def test_bodies_are_sent(
    options: list[str], application: Application, program: Callable[[str], str]
) -> None:
    body = application.big
    command = [program("h2load"), "-n", "500", *options, "-d", str(body), f"{application.url}/echo"]
    said = run(command)
    assert "500 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
    # Each comes back whole.
    data = re.search(r"\((\d+)\) data", said)
    assert data is not None, said
    assert int(data[1]) >= 500 * body.stat().st_size


@pytest.mark.needs("nghttp")
@pytest.mark.parametrize("over", ["cleartext", "TLS"])
def test_assets_share_one_connection(
    over: str, application: Application, program: Callable[[str], str]
) -> None:
    """Thirty requests at once on one connection, some slow and some large, all answered."""
    url = application.url if over == "cleartext" else application.tls_url
    paths = ["/pause", "/bytes/300000", "/files/big.bin"] * 10
    targets = [f"{url}{path}?{number}" for number, path in enumerate(paths)]
    said = run([program("nghttp"), "--null-out", "--stat", "--no-verify-peer", *targets])
    answers = re.findall(r"^ *\d+ +\S+ +\S+ +\S+ +(\d+) +(\S+) +(/\S+)$", said, re.MULTILINE)
    assert sorted(path for _, _, path in answers) == sorted(
        target.removeprefix(url) for target in targets
    ), said
    assert {status for status, _, _ in answers} == {"200"}, said


@pytest.mark.needs("nghttp")
def test_an_answer_before_the_end_of_the_body_is_whole(
    application: Application, program: Callable[[str], str]
) -> None:
    """The handler reads nothing: the answer, then RST_STREAM with NO_ERROR (RFC 9113 §8.1)."""
    said = run([program("nghttp"), "-nv", "-d", str(application.big), f"{application.url}/ignore"])
    assert ":status: 200" in said, said
    assert "error_code=NO_ERROR(0x00)" in said, said
    assert "error_code=CANCEL" not in said, said


@pytest.mark.needs("nghttp")
def test_trailers_both_ways(application: Application, program: Callable[[str], str]) -> None:
    said = run(
        [program("nghttp"), "-nv", "--trailer", "X-After: all", "-d", str(application.big)]
        + [f"{application.url}/echo"]
    )
    assert re.search(r"recv \(stream_id=\d+\) x-after: all", said), said


def run(command: list[str]) -> str:
    """Run a client to its end and return what it said."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout
