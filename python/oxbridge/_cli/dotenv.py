"""Environment files: lines of KEY=VALUE, read by python-dotenv where it is installed."""

from __future__ import annotations

import io
import re
from collections.abc import MutableMapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from oxbridge._cli.errors import CommandError

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_LINE = re.compile(
    r"""[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*
        (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^'"\n\r][^\n\r]*)?)
        [ \t]*(?:\#[^\n\r]*)?[ \t]*(?:\r?\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"[ \t]*(?:\#[^\n\r]*)?(?:\r?\n|\Z)")


def load(path: str, environ: MutableMapping[str, str]) -> dict[str, str]:
    """Put a file's variables into the environment, where they are not yet.

    Returns the variables that were put there, with the name of the file.

    Raises:
        CommandError: The file cannot be read, or has a line that is not KEY=VALUE.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(
            f"the environment file {path} cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise CommandError(f"the environment file {path} is not UTF-8") from None
    put: dict[str, str] = {}
    for key, value in _variables(text, path).items():
        if "\0" in value:
            raise CommandError(f"{key} in {path} holds a null byte, which no variable can")
        if key not in environ:
            environ[key] = value
            put[key] = path
    return put


def _variables(text: str, path: str) -> dict[str, str]:
    if find_spec("dotenv") is None:
        return parse(text, path)
    read = import_module("dotenv").dotenv_values(stream=io.StringIO(text))
    return {key: value for key, value in read.items() if value is not None}


def parse(text: str, path: str = "the file") -> dict[str, str]:
    r"""Read lines of KEY=VALUE.

    `export` in front, comments, and empty lines are allowed. Single quotes keep all as it is; in
    double quotes there are \n, \r, \t, \", \\ and \$; both may go over lines. Nothing is expanded.

    Raises:
        CommandError: A line is something else; the text says which.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if blank := _BLANK.match(text, at):
            at = max(blank.end(), at + 1)
            continue
        match = _LINE.match(text, at)
        if match is None:
            number = text.count("\n", 0, at) + 1
            # Such lines hold secrets, so that this one is not shown.
            raise CommandError(f"line {number} of {path} must be KEY=VALUE")
        found[match["key"]] = _value(match)
        at = match.end()
    return found


def _value(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return re.sub(
            r"\\(.)",
            lambda escape: _ESCAPES.get(escape[1], escape[0]),
            match["double"],
            flags=re.DOTALL,
        )
    bare = match["bare"] or ""
    if bare.startswith("#"):
        return ""
    return re.split(r"[ \t]+#", bare, maxsplit=1)[0].strip()
