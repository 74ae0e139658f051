"""h2spec, the conformance suite for HTTP/2, against the server: strict, in cleartext and by TLS."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from application import Application

PACKAGE = "github.com/summerwind/h2spec/cmd/h2spec"
SOURCE = Path(__file__).with_name("h2spec")
CASES = 146
"""How many there are: h2spec passes by what it does not run."""

KNOWN = {
    # A cleartext port serves HTTP/1 too, so that bytes which begin no HTTP/2 connection are
    # answered as a bad HTTP/1 request: 400, and closed. h2spec sees the close only after it has
    # tried to read the 400 as a frame.
    "cleartext": {"http2/3.5 Sends invalid connection preface"},
    "TLS": set[str](),
}

pytestmark = pytest.mark.needs("go")


@pytest.fixture(scope="module")
def h2spec() -> Path:
    """h2spec, built from the exact versions in h2spec/go.mod. The second time it is there."""
    from programs import find

    go = find("go")
    assert go is not None  # the marker `needs` has seen it
    built = Path(sys.prefix) / "cache" / "h2spec"
    subprocess.run(
        [go, "build", "-mod=readonly", "-o", str(built), PACKAGE],
        cwd=SOURCE,
        # No C compiler is needed for it, nor a repository around it.
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
        check=True,
        timeout=300,
    )
    return built


@pytest.mark.timeout(420)
@pytest.mark.parametrize("over", ["cleartext", "TLS"])
def test_every_case_passes(
    over: str, h2spec: Path, application: Application, tmp_path: Path
) -> None:
    port = application.port if over == "cleartext" else application.tls_port
    report = tmp_path / "report.xml"
    done = subprocess.run(
        [str(h2spec), "--host", "127.0.0.1", "--port", str(port), "--path", "/inspect"]
        + ["--strict", "--timeout", "10", "--junit-report", str(report)]
        + (["--tls", "--insecure"] if over == "TLS" else []),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    cases = list(ElementTree.parse(report).iter("testcase"))
    bad = {
        f"{case.get('package')} {case.get('classname')}"
        for case in cases
        if any(child.tag in ("failure", "error", "skipped") for child in case)
    }
    assert len(cases) == CASES, done.stdout
    assert bad == KNOWN[over], done.stdout
