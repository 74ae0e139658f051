"""Python programs for the original: a cffi binding in its manner, and its own package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hosted import Host, Hosted
from libgohttp import HERE, Library

PACKAGE = "gohttp==0.3.3"


@pytest.fixture(scope="session")
def original_package(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as PyPI has it, but for the library in it, which is ours."""
    place = tmp_path_factory.mktemp("original")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run(
        [*pip, "--no-deps", "--target", place, PACKAGE],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout, done.stderr, file=sys.stderr)
        pytest.skip(f"needs {PACKAGE} from the package index")
    shutil.copyfile(library.shared, place / "gohttp" / "libgohttp.so")
    return place


def test_the_original_package_serves(original_package: Path, host: Host) -> None:
    served = host([sys.executable, HERE / "py" / "original_package.py", original_package])
    said = f"GET 127.0.0.1:{served.port} /a?b=c\nHello, world.\n"
    assert served.ask("/a?b=c") == (200, said.encode())
    assert served.ask("/teapot/short/stout") == (418, b"b'GET' b'/teapot/short/stout'")
    # As ever: cffi prints what the handler raised, and the client gets an empty answer.
    assert served.ask("/fails") == (200, b"")
    served.wait_for("ValueError: a handler that fails", "stderr")
    with ThreadPoolExecutor(10) as pool:
        answers = set(pool.map(served.ask, ["/a?b=c"] * 1000))
    assert answers == {(200, said.encode())}


def test_a_cffi_binding_serves(host_python: Callable[..., Hosted]) -> None:
    served = host_python("serve.py")
    assert served.ask("/a?b=c") == (200, b"GET /a?b=c\n")
    assert served.ask("/body", method="POST", body=b"text") == (200, b"text")
