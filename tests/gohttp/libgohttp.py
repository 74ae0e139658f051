"""The library under test, and programs that are compiled against it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from serving import ROOT

HERE = Path(__file__).resolve().parent

ORIGINAL = HERE / "original.h"
"""What programs for gohttplib were compiled against."""

OURS = ROOT / "include" / "libgohttp.h"

# What a Rust archive asks of the system's linker: `rustc --print native-static-libs`.
NATIVE = ("-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc")


@dataclass(frozen=True)
class Library:
    """libgohttp in both forms."""

    shared: Path
    static: Path

    def compile(
        self, source: str, target: Path, *, header: Path = ORIGINAL, static: bool = False
    ) -> Path:
        """Compile a program of the folder c, as the original's users did theirs."""
        if static:
            link = [str(self.static), *NATIVE]
        else:
            place = self.shared.parent
            link = [f"-L{place}", "-lgohttp", f"-Wl,-rpath,{place}", "-Wl,--as-needed"]
        define = f'-DHEADER="{header}"'
        run("cc", "-g", "-Wall", "-pthread", define, "-o", target, HERE / "c" / source, *link)
        return target


def run(*command: str | Path, cwd: Path | None = None, timeout: float = 600) -> str:
    """Run a command to its end and return what it printed; if it fails, show all of it."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd or ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{command} gave {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout
