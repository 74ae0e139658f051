"""Logging of the command: levels in front, on standard error, as with uvicorn."""

from __future__ import annotations

import json
import logging
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oxbridge._cli.errors import CommandError

if TYPE_CHECKING:
    from oxbridge.config import Config

logger = logging.getLogger("oxbridge")

TRACE = 5
"""The level below DEBUG that uvicorn has."""

_COLOURS = {
    TRACE: 34,
    logging.DEBUG: 36,
    logging.INFO: 32,
    logging.WARNING: 33,
    logging.ERROR: 31,
    logging.CRITICAL: 91,
}


class LevelFormatter(logging.Formatter):
    """Formats with `%(levelprefix)s`: the level and a colon, in a column, coloured on a terminal.

    Args:
        fmt: As for logging.Formatter.
        datefmt: As for logging.Formatter.
        style: As for logging.Formatter.
        use_colors: Whether to colour; None is on a terminal only.
    """

    def __init__(
        self,
        fmt: str = "%(levelprefix)s %(message)s",
        datefmt: str | None = None,
        style: Any = "%",
        use_colors: bool | None = None,
    ) -> None:
        super().__init__(fmt, datefmt, style, validate=False)
        self.use_colors = use_colors if use_colors is not None else _is_terminal()

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Add the prefix, in a copy: other handlers get the record too."""
        name = record.levelname
        space = " " * (8 - len(name))
        colour = _COLOURS.get(record.levelno)
        if self.use_colors and colour is not None:
            name = f"\x1b[{colour}m{name}\x1b[0m"
        copy = logging.makeLogRecord({**record.__dict__, "levelprefix": f"{name}:{space}"})
        return super().formatMessage(copy)


def configure(config: Config) -> None:
    """Set up logging in this process.

    Raises:
        CommandError: The logging configuration cannot be read, or is none.
    """
    logging.addLevelName(TRACE, "TRACE")
    given = config.log_config
    if given is None:
        _configure_default(config.use_colors)
    elif isinstance(given, dict):
        _apply(given, "log-config")
    elif given.endswith(".json"):
        _apply(_read_json(given), given)
    elif given.endswith((".yaml", ".yml")):
        _apply(_read_yaml(given), given)
    else:
        _apply_ini(given)
    # A configuration of one's own names the levels itself, unless the option says otherwise.
    if given is None or config.log_level != "info":
        level = config.log_level
        name = level.upper() if isinstance(level, str) else level
        logger.setLevel(name)


def _configure_default(use_colors: bool | None) -> None:
    """Log this package's lines to standard error, in place of what was set up for it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LevelFormatter(use_colors=use_colors))
    for before in logger.handlers[:]:
        logger.removeHandler(before)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _apply(table: Any, where: str) -> None:
    if not isinstance(table, dict):
        raise CommandError(f"the logging configuration {where} must be a table at its top")
    # Imported where it is needed: it takes more than a megabyte.
    import logging.config

    try:
        logging.config.dictConfig(table)
    except (ValueError, TypeError, AttributeError, ImportError, KeyError) as error:
        # The cause names what the handler's or formatter's configuration lacks.
        why = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise CommandError(f"the logging configuration {where} is not one: {why}") from None


def _apply_ini(path: str) -> None:
    import logging.config
    from configparser import Error as IniError

    _text(path)
    try:
        logging.config.fileConfig(path, disable_existing_loggers=False)
    except (IniError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(f"the logging configuration {path} is not one: {_line(error)}") from None


def _read_json(path: str) -> Any:
    try:
        return json.loads(_text(path))
    except ValueError as error:
        raise CommandError(f"the logging configuration {path} is not JSON: {error}") from None


def _read_yaml(path: str) -> Any:
    text = _text(path)
    try:
        yaml = import_module("yaml")
    except ImportError:
        raise CommandError(
            f"the logging configuration {path} is YAML, which needs a package: pip install PyYAML"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandError(
            f"the logging configuration {path} is not YAML: {_line(error)}"
        ) from None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"the logging configuration {path} cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise CommandError(f"the logging configuration {path} is not UTF-8") from None


def _line(error: Exception) -> str:
    """Put an error's text on one line."""
    return " ".join(str(error).split())


def _is_terminal() -> bool:
    # There is no standard error under some service supervisors.
    return sys.stderr is not None and sys.stderr.isatty()
