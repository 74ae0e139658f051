"""The programs of examples/gohttp, built as their README says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hosted import Host
from libgohttp import OURS, Library, run

from serving import ROOT

EXAMPLES = ROOT / "examples" / "gohttp"


@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
def test_the_c_program_answers(
    library: Library, host: Host, tmp_path: Path, *, static: bool
) -> None:
    place = library.shared.parent
    link = [f"-L{place}", "-lgohttp"]
    if static:
        link = [str(library.static), "-lgcc_s", "-lpthread", "-lm", "-ldl"]
    hello = tmp_path / "hello"
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run("cc", *strict, "-o", hello, EXAMPLES / "main.c", f"-I{OURS.parent}", *link)
    served = host([hello], LD_LIBRARY_PATH="" if static else str(place))
    assert served.ask("/a") == (200, b"Hello, world\n")


def test_the_python_program_answers(library: Library, host: Host) -> None:
    served = host([sys.executable, EXAMPLES / "hello.py", library.shared])
    assert served.ask("/a") == (200, b"Hello, world\n")
    served.wait_for("GET /a")
