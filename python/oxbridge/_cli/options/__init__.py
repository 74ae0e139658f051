"""The table of options: what the command line, the environment, TOML and `Config` are made from.

Names and defaults are uvicorn's where it has the option, unless the help says otherwise.
"""

from __future__ import annotations

from oxbridge._cli.options import operation, process, traffic
from oxbridge._cli.options.option import ENV_PREFIX, UVICORN_PREFIX, Option

__all__ = ["BY_NAME", "ENV_PREFIX", "OPTIONS", "UVICORN_PREFIX", "Option"]

OPTIONS: tuple[Option, ...] = (*process.OPTIONS, *traffic.OPTIONS, *operation.OPTIONS)

BY_NAME = {option.name: option for option in OPTIONS}
"""The options by their names in `Config`."""
