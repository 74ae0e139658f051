"""The command line of `oxbridge serve`, made from the table of options."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from oxbridge._cli.errors import UsageError
from oxbridge._cli.options import OPTIONS, Option

# Options of the peers that choose among their parts: accepted, because here is one part only.
IDLE: dict[tuple[str, ...], str] = {
    (
        "-k",
        "--worker-class",
    ): "the server finds out itself what the application speaks, and threads "
    "and an event loop are there for all",
    ("--http",): "there is one HTTP implementation, for HTTP/1.1 and HTTP/2",
    ("--ws",): "there is one WebSocket implementation",
}
IDLE_FLAGS: dict[tuple[str, ...], str] = {
    ("--http2",): "HTTP/2 is always there",
    ("--reset-contextvars",): "every request has a context of its own",
}
# What is a name of something else here, or nothing: one sentence each instead of "unknown".
REFUSED = {
    "--daemon": "a service supervisor such as systemd does that better",
    "--preload": "each worker imports the application itself, so that restarts see new code",
    "--user": "start it as that user, and take a socket with --fd or systemd for ports below 1024",
    "--group": "start it with that group",
    "--reuse-port": "the workers share one listening socket",
}


@dataclass
class Command:
    """A command line taken apart: texts, not yet read."""

    app: str | None = None
    config: str | None = None
    values: dict[str, str | list[str]] = field(default_factory=dict)
    """Texts by the options' names."""
    spelled: dict[str, str] = field(default_factory=dict)
    """How each of them was written: {"port": "--port"}."""
    notes: list[str] = field(default_factory=list)
    """What is worth saying about options that do nothing."""
    asked: str | None = None
    """"help" or "version", if that was asked for."""


def parse(arguments: Sequence[str]) -> Command:
    """Take a command line apart.

    Raises:
        UsageError: An option is unknown, or a value is missing.
    """
    command = Command()
    parsed, rest = _parser(command).parse_known_args(list(arguments))
    if command.asked is not None:
        return command
    apps = list(parsed.app)
    for word in rest:
        if word.startswith("-") and word != "-":
            raise UsageError(_unknown(word.partition("=")[0]))
        apps.append(word)
    if len(apps) > 1:
        raise UsageError(f"one application can be served, not both {apps[0]!r} and {apps[1]!r}")
    command.app = apps[0] if apps else None
    return command


def declare(
    parser: argparse._ActionsContainer, command: Command, *, taken: Collection[str] = ()
) -> None:
    """Add all options to a parser, which then writes what it finds into the command.

    Args:
        parser: The parser; the values it returns hold nothing of these options.
        command: Where they go.
        taken: Spellings that mean something else to this parser.
    """

    def add(names: Iterable[str], then: Callable[[str, str], object], **more: Any) -> None:
        free = [name for name in names if name not in taken]
        if free:
            parser.add_argument(
                *free, action=_Call, const=then, dest=free[-1], default=argparse.SUPPRESS, **more
            )

    def config(spelled: str, value: str) -> None:
        command.config = value

    add(["-c", "--config"], config, metavar="FILE", help="Options from a TOML file.")
    for option in OPTIONS:
        names = spellings(option) + (["--no-" + option.key] if option.is_flag else [])
        told = option.help.replace("%", "%%")
        then = partial(_note, command, option)
        if option.is_flag:
            add(names, then, nargs=0, help=told)
        else:
            add(names, then, metavar=option.metavar or option.kind.metavar, help=told)
    for idle, why in IDLE.items():
        add(idle, partial(_idle, command, why), help=argparse.SUPPRESS)
    for idle, why in IDLE_FLAGS.items():
        add(idle, partial(_idle, command, why), nargs=0, help=argparse.SUPPRESS)


def spellings(option: Option) -> list[str]:
    """Every way to write an option, the short one first."""
    return [s for s in (option.short, option.long, *option.aliases) if s]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong without the usage in front."""
        raise UsageError(message)


class _Call(argparse.Action):
    """Calls `const` with the spelling of the option and its value."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        self.const(option_string, values)


def _parser(command: Command) -> argparse.ArgumentParser:
    """Make a parser that writes into the command."""
    parser = _Parser(prog="oxbridge serve", add_help=False, allow_abbrev=False)
    parser.add_argument("app", nargs="*")

    def ask(what: str, *_: str) -> None:
        command.asked = command.asked or what

    for names in (["-h", "--help"], ["-V", "--version"]):
        what = names[1].removeprefix("--")
        parser.add_argument(*names, action=_Call, const=partial(ask, what), dest=what, nargs=0)
    declare(parser, command)
    return parser


def _note(command: Command, option: Option, spelled: str, value: str) -> None:
    """Note an option that was given."""
    command.spelled[option.name] = spelled
    if option.is_flag:
        command.values[option.name] = "false" if spelled.startswith("--no-") else "true"
    elif option.repeatable:
        before = command.values.get(option.name, [])
        command.values[option.name] = [*before, value]
    else:
        command.values[option.name] = value


def _idle(command: Command, why: str, spelled: str, value: str) -> None:
    """Note an option that chooses nothing here."""
    command.notes.append(f"{spelled} is not needed: {why}")


def _unknown(word: str) -> str:
    """Say that there is no such option, and which ones are close."""
    if word in REFUSED:
        return f"{word} is not an option here: {REFUSED[word]}"
    known = [s for option in OPTIONS for s in spellings(option) if s.startswith("--")]
    known += ["--no-" + option.key for option in OPTIONS if option.is_flag]
    known += ["--config", "--help", "--version"]
    close = difflib.get_close_matches(word, known, n=2, cutoff=0.7)
    hint = f"did you mean {' or '.join(close)}?" if close else "`oxbridge serve --help` lists them"
    return f"there is no option {word}; {hint}"
