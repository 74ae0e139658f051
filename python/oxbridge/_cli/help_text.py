"""`--help`: the table of options in groups, in up to 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import groupby

from oxbridge._cli.options import OPTIONS, Option

WIDTH = 100
LEFT = 34

COMMANDS = """\
Usage: oxbridge serve APP [OPTIONS]
       oxbridge --version
       oxbridge --help

Serves Python applications over HTTP/1.1 and HTTP/2: ASGI, WSGI, RSGI, and handlers of a Mux.

  oxbridge serve main:app                the object app of the module main
  oxbridge serve main:app --reload       and again whenever a file changes
  oxbridge serve --help                  all options

  oxbridge cache top 10.0.0.1:7000       what the nodes of a cache do (oxbridge.cache)

`python -m oxbridge` is the same command.
"""

USAGE = """\
Usage: oxbridge serve APP [OPTIONS]

APP is where the application is: module:attribute, module:make_app(debug=True), or path/to/app.py.
Without an attribute it is app, application, api, the only Mux, or handler. What it speaks (ASGI,
WSGI, RSGI, or the handlers of a Mux) is found out.
"""

EXAMPLES = """\
Examples:
  oxbridge serve main:app --port 8080 --workers 4
  oxbridge serve mysite.wsgi --static /static=staticfiles --compression on
  oxbridge serve 'main:create_app(testing=True)' --reload
  oxbridge serve app.py --bind 0.0.0.0:443 --ssl-certfile chain.pem --ssl-keyfile key.pem
  oxbridge serve main:app --uds /run/app.sock --forwarded-allow-ips unix --access-log-format json
  oxbridge serve main:app --config oxbridge.toml

Sources, the first that has a value wins: the command line; the environment, OXBRIDGE_NAME for
--name, and UVICORN_NAME where uvicorn has the option, WEB_CONCURRENCY, FORWARDED_ALLOW_IPS; the
file of --config, with the same names as keys.
"""


def text(columns: int | None = None) -> str:
    """Return the help of `oxbridge serve` for a terminal of so many columns."""
    if columns is None:
        import shutil

        columns = shutil.get_terminal_size((WIDTH, 24)).columns
    width = max(60, min(columns, WIDTH))
    parts = [_filled(USAGE, width)]
    for group, options in groupby(OPTIONS, key=lambda option: option.group):
        lines = [line for option in options for line in _lines(option, width)]
        parts.append("\n".join([f"{group}:", *lines]) + "\n")
    own = [
        *_row("-c, --config FILE", "Options from a TOML file, or from a pyproject.toml.", width),
        *_row("-h, --help", "Show this.", width),
        *_row("-V, --version", "Show the version.", width),
    ]
    parts.append("\n".join(["Other:", *own]) + "\n")
    parts.append(EXAMPLES)
    return "\n".join(parts)


def written(option: Option) -> str:
    """How an option is written, without its other spellings: "-w, --workers INTEGER"."""
    short = f"{option.short}, " if option.short else ""
    if option.is_flag:
        no = f", --no-{option.key}" if option.default is not False else ""
        return f"{short}{option.long}{no}"
    return f"{short}{option.long} {metavar(option)}"


def metavar(option: Option) -> str:
    """What help calls the value."""
    return option.metavar or option.kind.metavar


def default_text(option: Option) -> str:
    """The default as people write it; "" if there is none to speak of."""
    if option.default_text is not None:
        return option.default_text
    match option.default:
        case None | "" | () | False:
            return ""
        case True:
            return "on"
        case float() as number:
            return f"{number:g}"
        case value:
            return str(value)


def _lines(option: Option, width: int) -> Iterable[str]:
    shown = default_text(option)
    told = option.help
    if option.repeatable:
        told += " May be repeated."
    if shown:
        told += f" [{shown}]"
    return _row(written(option), told, width)


def _row(left: str, right: str, width: int) -> list[str]:
    """Two columns; the right one begins on the next line if the left one is too long."""
    wrapped = textwrap.wrap(right, width - LEFT, break_long_words=False, break_on_hyphens=False)
    pad = " " * LEFT
    if len(left) + 4 > LEFT:
        return [f"  {left}", *(pad + line for line in wrapped)]
    return [f"  {left}".ljust(LEFT) + wrapped[0], *(pad + line for line in wrapped[1:])]


def _filled(prose: str, width: int) -> str:
    first, *paragraphs = prose.strip().split("\n\n")
    return "\n\n".join([first, *(textwrap.fill(p, width) for p in paragraphs)]) + "\n"
