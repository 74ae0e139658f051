"""Kinds of option values that have parts: addresses, headers, mounts, codings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from oxbridge._cli.values import FALSE, TRUE, Kind, Path


@dataclass(frozen=True)
class Addresses(Kind):
    """Addresses and networks joined by commas, or `*`; from TOML and Python also a list."""

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return "addresses or networks such as 10.0.0.0/8,::1, 'unix', or *" + self._or_none

    def _from_value(self, value: object) -> object:
        # A slow import, and `import oxbridge` comes by here.
        import ipaddress

        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise self._wrong()
        kept: list[str] = []
        for part in parts:
            if not isinstance(part, str):
                raise self._wrong()
            if not (word := part.strip()):
                continue
            if word not in ("*", "unix"):
                try:
                    ipaddress.ip_network(word, strict=False)
                except ValueError:
                    raise self._wrong() from None
            kept.append(word)
        return "*" if "*" in kept else ",".join(kept)


@dataclass(frozen=True)
class Algorithms(Kind):
    """Names of content codings joined by commas; `on` is all, `off` none."""

    words: tuple[str, ...] = ()

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return f"on, off, or some of {','.join(self.words)} joined by commas"

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return "CODINGS"

    def _from_value(self, value: object) -> object:
        if isinstance(value, bool):
            return self.words if value else ()
        if isinstance(value, str):
            word = value.strip().lower()
            if word in TRUE or word in FALSE:
                return self.words if word in TRUE else ()
            value = [part.strip() for part in word.split(",") if part.strip()]
        if not isinstance(value, list | tuple) or any(part not in self.words for part in value):
            raise self._wrong()
        return tuple(dict.fromkeys(value))


@dataclass(frozen=True)
class Pair(Kind):
    """Two parts of text with a separator between: `Name:Value`, `/prefix=DIRECTORY`."""

    between: str = ":"
    names: tuple[str, str] = ("Name", "Value")

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return f"{self.names[0]}{self.between}{self.names[1]}"

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return self.wanted

    def _from_value(self, value: object) -> object:
        if isinstance(value, str):
            first, between, second = value.partition(self.between)
            if not between:
                raise self._wrong()
            value = (first, second)
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise self._wrong()
        first, second = value
        if not isinstance(first, str) or not isinstance(second, str):
            raise self._wrong()
        return self._checked(first.strip(), second.strip())

    def _checked(self, first: str, second: str) -> tuple[str, str]:
        if not first or not second:
            raise self._wrong()
        return first, second


@dataclass(frozen=True)
class Header(Pair):
    """A response header, `Name:Value`, which HTTP can carry."""

    def _checked(self, first: str, second: str) -> tuple[str, str]:
        # RFC 9110, sections 5.1 and 5.5.
        if re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", first) is None:
            raise self._wrong()
        if re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", second) is None:
            raise self._wrong()
        return first, second


@dataclass(frozen=True)
class Mount(Pair):
    """A URL prefix and the directory served below it, `/prefix=DIRECTORY`."""

    def _checked(self, first: str, second: str) -> tuple[str, str]:
        if not first.startswith("/") or not second:
            raise self._wrong()
        return first, second


@dataclass(frozen=True)
class Bind(Kind):
    """An address to listen on."""

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return "an address such as 127.0.0.1:8000, [::1]:8000, unix:/run/app.sock or fd:3"

    @property
    def metavar(self) -> str:
        """How help calls the value."""
        return "ADDRESS"

    def _from_value(self, value: object) -> object:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise self._wrong()
        text = value.strip().removeprefix("tcp://")
        for scheme in ("unix", "fd"):
            rest = text.removeprefix(f"{scheme}://")
            text = f"{scheme}:{rest}" if rest != text else text
        if text == "systemd" or (text.startswith("unix:") and len(text) > len("unix:")):
            return text
        if text.startswith("fd:"):
            if re.fullmatch(r"fd:[0-9]{1,6}", text) is None:
                raise self._wrong()
            return text
        # A host alone has the default port, which `Config.binds` adds.
        host, port = _host_port(text)
        if port is not None and int(port) > 65535:
            raise self._wrong()
        if host is None:
            raise self._wrong()
        return text


def _host_port(text: str) -> tuple[str | None, str | None]:
    """Take an address apart; None for a host that is none, and for a port that is not there."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]*)(?::([0-9]{1,5}))?", text)
    if match is None or (not match[1] and match[2] is None):
        return None, None
    return match[1], match[2]


@dataclass(frozen=True)
class LogConfig(Path):
    """The path of a logging configuration, or from TOML and Python the dictionary itself."""

    @property
    def wanted(self) -> str:
        """What a value must be."""
        return "the path of a .json, .yaml or .ini file, or a table" + self._or_none

    def _from_value(self, value: object) -> object:
        return dict(value) if isinstance(value, Mapping) else super()._from_value(value)
