"""Examples of Rust programs with Python inside, built by cargo for tests that run them."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys

from serving import ROOT


@functools.cache
def cargo_example(name: str) -> str:
    """Build an example of the crate `oxbridge-embed`; return the program's path.

    It is linked with the Python that runs the tests.
    """
    command = ["cargo", "build", "--package", "oxbridge-embed", "--example", name]
    built = subprocess.run(
        [*command, "--message-format", "json"],
        cwd=ROOT,
        env={"PYO3_PYTHON": sys.executable, **os.environ},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    made = (json.loads(line).get("executable") for line in built.stdout.splitlines())
    programs = [str(program) for program in made if program]
    return programs[-1]
