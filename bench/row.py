"""A row of the table: a server, how it is started, and what it is asked for."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import environments
import material
from build import PROGRAMS
from load import Manner

APPS = Path(__file__).resolve().parent / "apps"

HELLO = b"Hello, world.\n"
"""What most servers of the table answer."""

HELLO_CONNECTIONS = (1, 10, 100, 400)
FEW_CONNECTIONS = (10, 100)
"""The numbers of connections that a hello is asked for with, and all else."""

REFERENCE = "oxbridge native"
"""The row that the others are compared with, unless they say otherwise."""


@dataclass(frozen=True)
class Server:
    """One row.

    In `command`, `{port}` stands for the port to listen on, `{workers}` for the number of worker
    processes, `{python}` for the interpreter that runs the benchmark, the names in
    `environments.NAMES` for the interpreters of the environments that peers live in, the names
    in `PROGRAMS` for programs that are built first, `{files}` for a directory to serve, and
    `{certificate}` and `{key}` for what TLS needs. It is started in `apps/`. `needs` are PyPI
    distributions: where one is missing, the row says so. Rows that are not `default` are measured
    only when `--only` names them.

    It is asked for `path` and must answer with `body`: with GET, or with POST and a body of `sends`
    bytes, which `body` then is, too. With `websocket` it is asked to echo messages instead.
    `compared_with` names the row that its ratios are formed with, and `workload` what all rows that
    are compared so are asked for. `manner` is how the load asks, `connections` how many it has
    unless told otherwise. `ahead_of` names the row of ours that promised to be ahead of this one,
    and `judged_by` the figure that shows it: CPU where something else than the server bounds
    requests/s.
    """

    name: str
    command: tuple[str, ...]
    about: str
    path: str = "/"
    body: bytes = HELLO
    needs: tuple[str, ...] = ()
    default: bool = True
    sends: int = 0
    websocket: bool = False
    workload: str = ""
    compared_with: str = REFERENCE
    manner: Manner = Manner.KEEP_ALIVE
    connections: tuple[int, ...] = HELLO_CONNECTIONS
    ahead_of: str = ""
    judged_by: str = "requests_per_second"

    @property
    def is_peer(self) -> bool:
        """Whether it is a server of somebody else's."""
        return not self.name.removeprefix(f"{self.workload}: ").startswith(("oxbridge", "floor"))

    @property
    def scales(self) -> bool:
        """Whether it can be told how many worker processes to have."""
        return any("{workers}" in part for part in self.command)

    @property
    def environment(self) -> str | None:
        """Which of the environments it lives in, if it is one of `environments.NAMES`."""
        return next((name for name in environments.NAMES if f"{{{name}}}" in self.command), None)

    def command_line(self, port: int, workers: int = 1) -> list[str]:
        """Fill in the command, building what it needs first. Raises CannotBuild."""
        filled = {"port": str(port), "workers": str(workers), "python": sys.executable}
        filled |= {name: environments.python(name) for name in environments.NAMES}
        for name, program in PROGRAMS.items():
            if f"{{{name}}}" in self.command:
                filled[name] = str(program.build())
        if "{files}" in "".join(self.command):
            filled["files"] = str(material.files())
        if "{certificate}" in self.command:
            filled["certificate"], filled["key"] = map(str, material.certificate())
        return [part.format_map(filled) for part in self.command]

    def missing(self) -> list[str]:
        """Distributions that are not installed."""
        return [name for name in self.needs if self._version(name) is None]

    def versions(self) -> str:
        """What exactly is measured, in one line."""
        parts = [f"{name} {self._version(name) or 'not installed'}" for name in self.needs]
        parts += [p.version() for name, p in PROGRAMS.items() if f"{{{name}}}" in self.command]
        if "{python}" in self.command:
            parts.append(f"{platform.python_implementation()} {platform.python_version()}")
        if self.environment is not None:
            parts.append(environments.about(self.environment))
        return ", ".join(parts)

    def _version(self, distribution: str) -> str | None:
        if self.environment is not None:
            return environments.distributions(self.environment).get(distribution)
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            return None
