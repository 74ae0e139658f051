"""The sections of examples/capi/README.md, and what their commands need."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from serving import ROOT, Served

README = ROOT / "examples" / "capi" / "README.md"


@dataclass(frozen=True)
class Language:
    """One section of the README, and the programs of tools/programs.py that its commands run."""

    section: str
    needs: tuple[str, ...]

    @property
    def commands(self) -> list[str]:
        """The section's commands. The last one starts the server."""
        section = re.search(
            rf"^## {re.escape(self.section)}$.*?^```sh$\n(.*?)^```$",
            README.read_text("utf-8"),
            flags=re.DOTALL | re.MULTILINE,
        )
        assert section is not None, f"{README} has no commands for {self.section}"
        return section[1].splitlines()


LANGUAGES = (
    Language("C", ("gcc", "pkg-config", "jansson")),
    Language("C++", ("g++", "pkg-config", "nlohmann-json")),
    Language("Go", ("go", "gcc", "pkg-config")),
    Language("Python, by ctypes", ()),
    Language("Python, by cffi", ("pkg-config",)),
    Language("Node", ("node", "npm")),
)

StartLanguage = Callable[[], Served]
"""Starts the program of the language that is under test."""
