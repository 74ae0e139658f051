"""The certificates that tests serve with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """PEM files of an authority made for this run, and of a server and a client it vouches for."""

    authority: Path
    chain: Path
    key: Path
    client_chain: Path
    client_key: Path
