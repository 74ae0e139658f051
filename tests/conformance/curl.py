"""curl as a test drives it: with no settings of anybody's, and all that it got and said kept."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from application import Application, parsed

MIB = 1024 * 1024

# What tests are repeated for: how curl is told, and what the server calls it.
VERSIONS = [
    pytest.param(["--http1.0"], "HTTP/1.0", id="HTTP/1.0"),
    pytest.param(["--http1.1"], "HTTP/1.1", id="HTTP/1.1"),
    pytest.param(["--http2-prior-knowledge"], "HTTP/2.0", id="HTTP/2"),
    # Upgrade from HTTP/1.1 is gone from the standard; a server answers as if it had not been asked.
    pytest.param(["--http2"], "HTTP/1.1", id="h2c-upgrade-offered"),
]

# Proxies and settings of whoever runs the tests would make it another client.
QUIET = ["--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]


@dataclass(frozen=True)
class Answer:
    """What curl got: the heads of all answers, interim ones included, and the last body."""

    heads: str
    body: bytes
    log: str

    def told(self) -> Any:
        """What /inspect or /form said."""
        return parsed(self.body)


class Curl:
    """Runs curl, and fails with its log if it fails."""

    def __init__(self, path: str, application: Application, place: Path) -> None:
        self.path, self.application, self.place = path, application, place

    def __call__(self, target: str, *options: str | Path, fails: int = 0) -> Answer:
        """Ask for a path of the cleartext listener, or a URL; `fails` is the wanted exit code."""
        url = target if "://" in target else self.application.url + target
        heads, body = self.place / "heads", self.place / "body"
        heads.unlink(missing_ok=True)
        body.unlink(missing_ok=True)
        done = subprocess.run(
            [self.path, *QUIET, "--verbose", "-D", heads, "-o", body, *options, url],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=90,
            check=False,
        )
        assert done.returncode == fails, f"curl ended with {done.returncode}:\n{done.stderr}"
        return Answer(
            heads.read_bytes().decode("latin-1") if heads.exists() else "",
            body.read_bytes() if body.exists() else b"",
            done.stderr,
        )
