"""Licences of what the C libraries contain: the text that has to come with them."""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from clib_cargo import ROOT

Package = dict[str, Any]

HEAD = """\
The Oxbridge C libraries contain these works, under these licences, and Rust's standard library,
under MIT or Apache-2.0.
"""
RULE = "-" * 78


def notices(roots: Iterable[str]) -> str:
    """Name each package that is linked into these, with its licence; each text once."""
    packages = json.loads(_cargo("metadata", "--format-version", "1", "--filter-platform", _host()))
    linked = _linked(roots)
    found = [it for it in packages["packages"] if (it["name"], it["version"]) in linked]
    found.sort(key=lambda package: (package["name"], package["version"]))
    under: defaultdict[str, list[str]] = defaultdict(list)
    for package in found:
        for text in _texts(package):
            under[text].append(f"{package['name']} {package['version']}")
    out = [HEAD]
    out += [f"{it['name']} {it['version']}: {it['license'] or 'see below'}" for it in found]
    for text, names in under.items():
        out += ["", RULE, ", ".join(names), RULE, "", text]
    return "\n".join(out) + "\n"


def _linked(roots: Iterable[str]) -> set[tuple[str, str]]:
    """Names and versions of all that ends up in the libraries, our own packages aside."""
    arguments = ["--prefix", "none", "--format", "{p}", "--edges", "normal,no-proc-macro"]
    for root in roots:
        arguments += ["--package", root]
    # "tokio v1.2.3", "oxbridge v0.1.0 (/a/path)": those with a path are ours.
    lines = _cargo("tree", *arguments).replace(" (*)", "").splitlines()
    rows = [line.split() for line in lines]
    return {(row[0], row[1].removeprefix("v")) for row in rows if len(row) == 2}


def _texts(package: Package) -> Iterator[str]:
    """The licences and notices that lie beside the package's manifest."""
    place = Path(package["manifest_path"]).parent
    for path in sorted(place.iterdir()):
        if path.is_file() and path.name.upper().startswith(("LICEN", "COPYING", "NOTICE")):
            yield path.read_text(encoding="utf-8", errors="replace").strip()


def _cargo(*command: str) -> str:
    """What cargo prints."""
    locked = ["--locked"] if os.environ.get("CI") else []
    whole = ["cargo", *command, *locked]
    return subprocess.run(whole, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def _host() -> str:
    """The target that cargo builds for when nobody names one."""
    command = ["rustc", "--print", "host-tuple"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
