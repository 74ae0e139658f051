"""The Python that liboxbridge_embed is linked with, and what a linker has to know about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ASK = """
import json, sysconfig
names = ("LIBDIR", "INSTSONAME", "LDLIBRARY", "LDVERSION", "LIBS", "SYSLIBS", "py_version_short")
print(json.dumps({name: sysconfig.get_config_var(name) or "" for name in names}))
"""


@dataclass(frozen=True)
class Python:
    """An interpreter and its shared library."""

    executable: str
    version: str
    place: Path
    """The directory of libpython."""
    links: tuple[str, ...]
    """What a program that calls libpython itself is linked with."""
    is_known: bool
    """Whether the dynamic linker finds libpython by itself."""


def executable() -> str:
    """Path of the interpreter: PyO3's choice, if that is there, or the one that runs this."""
    chosen = os.environ.get("PYO3_PYTHON", "")
    return chosen if os.access(chosen, os.X_OK) else sys.executable


def embeddable() -> Python | None:
    """Describe the interpreter; None if it has no shared library to link with."""
    asked = subprocess.run(
        [executable(), "-c", ASK], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    told: dict[str, str] = json.loads(asked)
    place = Path(told["LIBDIR"])
    # By one name the linker finds it, by the other one the dynamic linker.
    names = (told["LDLIBRARY"], told["INSTSONAME"])
    if not all(".so" in name and (place / name).is_file() for name in names):
        return None
    links = f"-L{place} -lpython{told['LDVERSION']} {told['LIBS']} {told['SYSLIBS']}".split()
    return Python(
        executable=executable(),
        version=told["py_version_short"],
        place=place,
        links=tuple(dict.fromkeys(links)),
        is_known=_is_known(place / told["INSTSONAME"]),
    )


def _is_known(library: Path) -> bool:
    """Tell whether the dynamic linker's cache has this very file under its name."""
    try:
        listed = subprocess.run(
            ["/sbin/ldconfig", "-p"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    for line in listed.splitlines():
        name, arrow, path = line.partition(" => ")
        if arrow and name.split()[0] == library.name:
            # The first one is the one that is taken.
            return Path(path).resolve() == library.resolve()
    return False
