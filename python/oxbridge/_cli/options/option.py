"""What an option is: its name in every source, its kind, its default, its help."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from oxbridge._cli.values import Flag, Kind

ENV_PREFIX = "OXBRIDGE_"
UVICORN_PREFIX = "UVICORN_"

Process = Literal["worker", "supervisor", "both"]


@dataclass(frozen=True)
class Option:
    """One option in all its forms."""

    name: str
    """The field of `Config`."""
    kind: Kind
    default: object
    help: str
    group: str = ""
    process: Process = "worker"
    """Which process reads it; with one worker that is one process."""
    flag: str = ""
    """The long form on the command line, if it is not the name with dashes."""
    short: str = ""
    aliases: tuple[str, ...] = ()
    """Other spellings that gunicorn and hypercorn have."""
    repeatable: bool = False
    """Whether it may be given several times; `Config` holds a tuple."""
    separator: str = ""
    """What is between the values of a repeatable option in the environment; "" is white space."""
    takes_value: bool = False
    """Whether a flag is written `--name true` instead of `--name` and `--no-name`."""
    uvicorn: bool = False
    """Whether uvicorn has it, and so `UVICORN_NAME` is read."""
    env: tuple[str, ...] = ()
    """Further environment variables."""
    metavar: str = ""
    default_text: str | None = None
    """How help says the default; None is the value itself, "" nothing."""

    @property
    def is_flag(self) -> bool:
        """Whether it is written `--name` and `--no-name`, without a value."""
        return isinstance(self.kind, Flag) and not self.takes_value

    @property
    def long(self) -> str:
        """The long form on the command line, dashes included."""
        return self.flag or "--" + self.name.replace("_", "-")

    @property
    def key(self) -> str:
        """The key in a TOML file."""
        return self.long.removeprefix("--")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it; the first that is there wins."""
        names = list(dict.fromkeys((self.name, self.key.replace("-", "_"))))
        ours = [ENV_PREFIX + name.upper() for name in names]
        theirs = [UVICORN_PREFIX + self.name.upper()] if self.uvicorn else []
        return (*ours, *theirs, *self.env)


def group(name: str, process: Process, *options: Option) -> list[Option]:
    """Put options into a group; they are for the process unless they say otherwise."""
    return [
        replace(o, group=name, process=process if o.process == "worker" else o.process)
        for o in options
    ]
