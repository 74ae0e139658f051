"""The reference page of options, made from the table: `python -m oxbridge._cli.docs`."""

from __future__ import annotations

import sys
from itertools import groupby

from oxbridge._cli.help_text import default_text, written
from oxbridge._cli.options import OPTIONS, Option
from oxbridge._cli.parser import spellings

HEAD = """\
# Options of `oxbridge serve`

The same options are keys of a TOML file (`--config`), environment variables, and keywords of
`oxbridge.Config` and `oxbridge.serve`. The command line goes before the environment, that before
the file, and that before the default. An environment file counts as environment.
"""


def markdown() -> str:
    """Return the page."""
    parts = [HEAD]
    for group, options in groupby(OPTIONS, key=lambda option: option.group):
        rows = "\n".join(_row(option) for option in options)
        parts.append(
            f"## {group}\n\n| option | default | what for | environment | keyword |\n"
            f"|---|---|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)


def _row(option: Option) -> str:
    others = [s for s in spellings(option) if s not in (option.short, option.long)]
    also = f" Also {', '.join(f'`{s}`' for s in others)}." if others else ""
    again = " May be repeated." if option.repeatable else ""
    variables = " ".join(f"`{v}`" for v in option.variables)
    default = default_text(option)
    cells = (
        f"`{written(option)}`",
        f"`{default}`" if default else "",
        option.help + again + also,
        variables,
        f"`{option.name}`",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(markdown())
