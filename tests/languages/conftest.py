"""The programs of examples/capi, built and run by the commands of their README."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from language_sections import LANGUAGES, Language, StartLanguage

import programs
from cbuild import Prefix, c_prefix, pytest_collection_modifyitems
from serving import ROOT, Serve

__all__ = ["c_prefix", "pytest_collection_modifyitems"]

# What a compiler or npm may take, in seconds.
BUILD_BOUND = 300


def environment(prefix: Prefix, needs: Sequence[str]) -> dict[str, str]:
    """Variables under which the README's commands find the library, and the programs they name."""
    paths = [Path(sys.executable).parent]
    paths += [Path(path).parent for path in map(programs.find, needs) if path is not None]
    path = os.pathsep.join([*map(str, paths), os.environ.get("PATH", os.defpath)])
    return {**prefix.environment(), "PATH": path}


@pytest.fixture(scope="session")
def build(c_prefix: Prefix) -> Callable[[Language], tuple[list[str], dict[str, str]]]:
    """Build a program, once in a run; give the command that starts it, and its environment."""
    built: dict[Language, tuple[list[str], dict[str, str]]] = {}

    def build_(language: Language) -> tuple[list[str], dict[str, str]]:
        if language not in built:
            variables = environment(c_prefix, language.needs)
            *steps, start = language.commands
            for step in steps:
                done = subprocess.run(
                    ["sh", "-ec", step],
                    cwd=ROOT,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=BUILD_BOUND,
                    check=False,
                )
                assert done.returncode == 0, f"{step}\n{done.stdout}"
                assert "warning:" not in done.stdout, f"{step}\n{done.stdout}"
            built[language] = shlex.split(start), variables
        return built[language]

    return build_


@pytest.fixture(
    params=[
        pytest.param(language, id=language.section, marks=pytest.mark.needs(*language.needs))
        for language in LANGUAGES
    ]
)
def start(
    request: pytest.FixtureRequest,
    serve: Serve,
    build: Callable[[Language], tuple[list[str], dict[str, str]]],
) -> StartLanguage:
    """Start the program of one language after the other."""
    command, variables = build(request.param)
    return lambda: serve(*command, env=variables, cwd=ROOT)
