"""Where values come from: command line before environment before TOML file before default."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oxbridge._cli.errors import CommandError, UsageError
from oxbridge._cli.options import BY_NAME, OPTIONS, UVICORN_PREFIX, Option
from oxbridge._cli.parser import Command
from oxbridge._cli.values import WrongValue
from oxbridge.config import Config, ConfigError


def config_from(
    command: Command,
    environ: Mapping[str, str],
    *,
    toml: str | None = None,
    origins: Mapping[str, str] | None = None,
) -> Config:
    """Join all sources into a configuration.

    Args:
        command: The command line, taken apart.
        environ: The environment.
        toml: The TOML file, if there is one.
        origins: Environment variables that come from a file, with the name of the file.

    Raises:
        UsageError: The command line is wrong.
        CommandError: Something else is; the text says what and where.
    """
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    if toml is not None:
        for name, (value, origin) in read_toml(toml).items():
            values[name], where[name] = value, origin
    _from_environment(values, where, environ, origins or {})
    for name, given in command.values.items():
        option = BY_NAME[name]
        where[name] = command.spelled[name]
        try:
            values[name] = _read(option, given, where[name])
        except ConfigError as error:
            raise UsageError(str(error)) from None
    if command.app is not None:
        values["app"] = command.app
    try:
        return Config(**values, origins=where)
    except ConfigError as error:
        wrong_usage = any(str(error).startswith(f"{s} ") for s in command.spelled.values())
        raise (UsageError if wrong_usage else CommandError)(str(error)) from None


def _from_environment(
    values: dict[str, Any],
    where: dict[str, str],
    environ: Mapping[str, str],
    files: Mapping[str, str],
) -> None:
    """Read every option that a variable sets. An empty variable is one that is not set."""
    for option in OPTIONS:
        variable = next((v for v in option.variables if environ.get(v)), None)
        if variable is None:
            continue
        text = environ[variable]
        name = f"{variable} in {files[variable]}" if variable in files else f"${variable}"
        given: str | list[str] = text
        if option.repeatable:
            # uvicorn's are taken apart as click does it: at white space, paths at colons.
            theirs = variable.startswith(UVICORN_PREFIX) and option.separator != ":"
            parts = text.split() if theirs else text.split(option.separator or None)
            given = [part.strip() for part in parts if part.strip()]
        try:
            values[option.name] = _read(option, given, name)
        except ConfigError as error:
            raise CommandError(str(error)) from None
        where[option.name] = name


def read_toml(path: str) -> dict[str, tuple[Any, str]]:
    """Read a TOML file: values by option, each with the words for where it stands.

    Keys are the long options without dashes in front, or the fields of `Config`; - and _ are the
    same. A pyproject.toml has them in `[tool.oxbridge]`. Paths start at the current directory.

    Raises:
        CommandError: The file cannot be read, or has a key that is no option.
    """
    import tomllib

    try:
        with Path(path).open("rb") as file:
            table: Any = tomllib.load(file)
    except OSError as error:
        raise CommandError(f"the configuration {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"the configuration {path} is not TOML: {error}") from None
    place = path
    if Path(path).name == "pyproject.toml" or _only_tool(table):
        table = table.get("tool", {})
        table = table.get("oxbridge") if isinstance(table, dict) else None
        place = f"[tool.oxbridge] of {path}"
        if not isinstance(table, dict):
            raise CommandError(f"the configuration {path} has no table [tool.oxbridge]")
    found: dict[str, tuple[Any, str]] = {}
    known = {"app": "app"} | {
        key: option.name
        for option in OPTIONS
        for key in (option.name, option.key.replace("-", "_"))
    }
    for key, value in table.items():
        name = known.get(key.replace("-", "_"))
        if name is None:
            close = difflib.get_close_matches(key.replace("-", "_"), known, n=1)
            hint = f"; did you mean {close[0].replace('_', '-')}?" if close else ""
            raise CommandError(f"{key} in {place} is not an option{hint}")
        if name in found:
            raise CommandError(f"{key} stands twice in {place}, once in another spelling")
        if name == "app" and not isinstance(value, str):
            raise CommandError(f"app in {place} must be text such as 'module:app', not {value!r}")
        found[name] = (value, f"{key} in {place}")
    return found


def _only_tool(table: Mapping[str, object]) -> bool:
    return set(table) == {"tool"}


def _read(option: Option, given: str | list[str], where: str) -> Any:
    """Read a value from text, or each of several."""
    text = ""
    try:
        if isinstance(given, list):
            return [option.kind.read(text := one) for one in given]
        return option.kind.read(text := given)
    except WrongValue as wrong:
        raise ConfigError(f"{where} must be {wrong}, not {text!r}") from None


def plain_environment(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Read what a program that calls `serve` takes from the environment, as with uvicorn.

    That is WEB_CONCURRENCY and FORWARDED_ALLOW_IPS: the names that belong to no server.
    """
    values: dict[str, Any] = {}
    for option in OPTIONS:
        for variable in option.env:
            if environ.get(variable):
                values[option.name] = _read(option, environ[variable], f"${variable}")
    return values
