"""What a library shows and asks for: by its file, and by the committed lists."""

from __future__ import annotations

import subprocess
from pathlib import Path

import clib_cargo

SYMBOLS = Path(__file__).parent / "symbols"
SONAMES = {"oxbridge": f"liboxbridge.so.{clib_cargo.abi()}", "gohttp": "libgohttp.so"}


def listed(library: str) -> dict[str, str]:
    """The committed list of functions, each with the version that it came with."""
    rows = (SYMBOLS / f"{library}.txt").read_text(encoding="utf-8").splitlines()
    return dict(row.split() for row in rows if row and not row.startswith("#"))


def shown(*options: str, file: Path) -> list[str]:
    """Names that a library shows, by nm."""
    command = ["nm", *options, "--defined-only", "--format=just-symbols", str(file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    # Of an archive, nm names each member too.
    return sorted(line for line in done.stdout.splitlines() if line and not line.endswith(":"))


def dynamic(file: Path) -> str:
    """What a shared library or program tells the dynamic linker."""
    command = ["readelf", "--dynamic", "--wide", str(file)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
