"""Kinds of option values: how each is read from text, checked, and described.

A kind takes text from the command line or the environment, typed values from TOML or Python, and
gives the one form that `Config` holds. `wanted` completes the sentence "NAME must be …".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

# As click reads them, and so uvicorn.
TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
FALSE = frozenset({"0", "false", "f", "no", "n", "off"})

_TIMES = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class WrongValue(ValueError):
    """A value is not what the kind wants; its text is `wanted`."""


@dataclass(frozen=True)
class Kind:
    """Any text. Base of the other kinds."""

    optional: bool = False
    """Whether None, as text "none", is a value too."""

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return "text" + self._or_none

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return "TEXT"

    def read(self, text: str) -> object:
        """Read a value from text. Raises WrongValue."""
        if self.optional and text.strip().lower() == "none":
            return None
        return self._from_text(text)

    def check(self, value: object) -> object:
        """Take a value that TOML or Python has. Raises WrongValue."""
        if value is None and self.optional:
            return None
        return self._from_value(value)

    @property
    def _or_none(self) -> str:
        return " or none" if self.optional else ""

    def _wrong(self) -> WrongValue:
        return WrongValue(self.wanted)

    def _from_text(self, text: str) -> object:
        return self._from_value(text)

    def _from_value(self, value: object) -> object:
        if not isinstance(value, str) or "\0" in value:
            raise self._wrong()
        return value


@dataclass(frozen=True)
class Path(Kind):
    """The path of a file or a directory, as text; os.PathLike from Python."""

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return "a path" + self._or_none

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return "PATH"

    def _from_value(self, value: object) -> object:
        spelled = getattr(value, "__fspath__", None)
        if spelled is not None:
            value = spelled()
        if not isinstance(value, str) or not value or "\0" in value:
            raise self._wrong()
        return value


@dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return "true or false" + self._or_none

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return "BOOLEAN"

    def _from_text(self, text: str) -> object:
        word = text.strip().lower()
        if word not in TRUE | FALSE:
            raise self._wrong()
        return word in TRUE

    def _from_value(self, value: object) -> object:
        if not isinstance(value, bool):
            raise self._wrong()
        return value


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from `least` to `most`."""

    least: int = 0
    most: int | None = None

    @property
    def wanted(self) -> str:
        """What a value must be."""
        to = f" to {self.most}" if self.most is not None else " or more"
        kind = "a whole number,"
        return f"{kind} {self.least}{to}{self._or_none}"

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return "INTEGER"

    def _from_text(self, text: str) -> object:
        if re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text) is None:
            raise self._wrong()
        return self._from_value(int(text))

    def _from_value(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong()
        if value < self.least or (self.most is not None and value > self.most):
            raise self._wrong()
        return value


@dataclass(frozen=True)
class Mode(Kind):
    """Permissions of a file, as text in octal: "660"; from TOML and Python also the number."""

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return "permissions in octal such as 660" + self._or_none

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return "MODE"

    def _from_value(self, value: object) -> object:
        if isinstance(value, str):
            if re.fullmatch(r"\s*(0o)?[0-7]{1,4}\s*", value) is None:
                raise self._wrong()
            value = int(value.strip().removeprefix("0o"), 8)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0o777:
            raise self._wrong()
        return value


@dataclass(frozen=True)
class Size(Whole):
    """A number of bytes, as text also with K, M or G behind it, in powers of 1024."""

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return f"a number of bytes such as 65536 or 64K, {self.least} or more{self._or_none}"

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return "SIZE"

    def _from_text(self, text: str) -> object:
        match = re.fullmatch(r"([0-9]{1,15})\s*([kmg]?)(?:i?b)?", text.strip().lower())
        if match is None:
            raise self._wrong()
        return self._from_value(int(match[1]) * _SIZES[match[2]])

    def _from_value(self, value: object) -> object:
        # TOML has no sizes of its own, so that "10M" is text there too.
        return self._from_text(value) if isinstance(value, str) else super()._from_value(value)


@dataclass(frozen=True)
class Seconds(Kind):
    """A time in seconds, as text also with ms, s, m, h or d behind it."""

    zero: bool = False
    """Whether no time at all is a value too."""

    @property
    def wanted(self) -> str:
        """What a value must be."""
        least = "0 or more" if self.zero else "more than 0"
        return f"a time in seconds such as 30 or 5m, {least}{self._or_none}"

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return "SECONDS"

    def _from_text(self, text: str) -> object:
        number = r"([0-9]{1,12}(?:\.[0-9]*)?|\.[0-9]+)"
        match = re.fullmatch(number + r"\s*(ms|s|m|h|d|)", text.strip().lower())
        if match is None:
            raise self._wrong()
        return self._from_value(float(match[1]) * _TIMES[match[2]])

    def _from_value(self, value: object) -> object:
        if isinstance(value, str):
            return self._from_text(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong()
        if not math.isfinite(value) or value < 0 or (value == 0 and not self.zero):
            raise self._wrong()
        return float(value)


@dataclass(frozen=True)
class Choice(Kind):
    """One of some words."""

    words: tuple[str, ...] = ()

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return f"one of {', '.join(self.words)}{self._or_none}"

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return f"[{'|'.join(self.words)}]"

    def _from_value(self, value: object) -> object:
        if not isinstance(value, str) or value.strip().lower() not in self.words:
            raise self._wrong()
        return value.strip().lower()


@dataclass(frozen=True)
class LogLevel(Choice):
    """The name of a log level, or from Python its number."""

    def _from_value(self, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        return super()._from_value(value)
