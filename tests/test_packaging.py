"""The wheel, as a user gets it: it installs into an empty environment and serves."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from serving import ROOT, Serve


@pytest.mark.timeout(1200)  # it may have to build the extension module first
def test_wheel_installs_into_an_empty_environment_and_serves(tmp_path: Path, serve: Serve) -> None:
    wheels = tmp_path / "wheels"
    # One interpreter for PyO3 and for the wheel, and the profile that `make test` builds with, so
    # that nothing is compiled that is there already.
    environment = {**os.environ, "PYO3_PYTHON": sys.executable}
    subprocess.run(
        [sys.executable, "-m", "maturin", "build", "--profile", "quick"]
        + ["--interpreter", sys.executable, "--out", str(wheels)],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    (wheel,) = wheels.glob("oxbridge-*.whl")

    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    # --no-index: the wheel needs nothing besides itself.
    subprocess.run([str(python), "-m", "pip", "install", "--no-index", str(wheel)], check=True)

    hello = serve(str(python), "-P", str(ROOT / "examples" / "hello.py"), cwd=tmp_path)
    with urllib.request.urlopen(f"{hello.url}/hello/wheel", timeout=20) as answer:
        assert answer.status == 200
        assert b"wheel" in answer.read()
