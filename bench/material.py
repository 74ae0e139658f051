"""What servers of the table are given to serve: a file, and a certificate of this machine."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

from build import CannotBuild
from machine import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import clib_cargo
import programs

FILE = "hundred.bin"
FILE_BODY = bytes(range(256)) * 400
"""100 KiB."""


@functools.cache
def files() -> Path:
    """A directory with the file. Servers find it as BENCH_FILES."""
    place = _place("files")
    (place / FILE).write_bytes(FILE_BODY)
    return place


@functools.cache
def certificate() -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that it has signed itself, and its key (P-256, PKCS #8).

    Raises CannotBuild.
    """
    place = _place("tls")
    chain, key = place / "certificate.pem", place / "key.pem"
    openssl = programs.find("openssl")
    if openssl is None:
        raise CannotBuild("openssl is missing (Debian, Ubuntu: apt install openssl)")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-keyout", str(key), "-out", str(chain), "-days", "30"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotBuild(f"openssl made no certificate: {done.stderr.strip()}")
    return chain, key


def _place(name: str) -> Path:
    place = clib_cargo.target_dir() / "bench" / name
    place.mkdir(parents=True, exist_ok=True)
    return place
