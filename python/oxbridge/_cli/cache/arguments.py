"""What `oxbridge cache top` is asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from oxbridge._cli.errors import UsageError

HELP = """\
Usage: oxbridge cache top [OPTIONS] NODE [NODE ...]

Shows what the nodes of a cache do: groups, hit rates, bytes, shares, latencies. A node is named by
its address, as in http://10.0.0.1:7000 or 10.0.0.1:7000; the other nodes of its cluster are found.

Options:
  --once              Show it once and end; the rates are those since the nodes began.
  --json              The same as JSON, once: an object for each node.
  --prometheus        The text of one node for Prometheus, once.
  --interval SECONDS  How often it is looked at. [2]
  --timeout SECONDS   How long a node may take to answer. [2]
  --base-path PATH    Where nodes answer. [/_groupcache/]
  --secret-file FILE  A file with the secret of the cluster; a line end at its end does not count.
                      Without it, the environment variable OXBRIDGE_CACHE_SECRET, if there is one.
  --ca FILE           The authority that has signed the certificates of nodes at https://.
  --cert FILE         The certificate that they are shown, ...
  --key FILE          ... and its key.
  -h, --help          This text.

Keys in the view: q or Ctrl-C ends it.
"""


@dataclass
class Arguments:
    """What is asked for."""

    nodes: list[str]
    once: bool = False
    json: bool = False
    prometheus: bool = False
    interval: float = 2.0
    timeout: float = 2.0
    base_path: str = "/_groupcache/"
    secret: bytes | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


_FLAGS = ("once", "json", "prometheus")
_VALUES = ("interval", "timeout", "base-path", "secret-file", "ca", "cert", "key")


def parse(given: Sequence[str]) -> Arguments | None:
    """Read the arguments after `cache top`; None if help is asked for.

    Raises:
        UsageError: They are wrong.
        OSError: The file with the secret cannot be read.
    """
    asked = Arguments([])
    secret_file: str | None = None
    rest = list(given)
    while rest:
        argument = rest.pop(0)
        if argument in ("-h", "--help"):
            return None
        if not argument.startswith("-"):
            asked.nodes.append(_node(argument))
            continue
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and name in _FLAGS and not equals:
            setattr(asked, name, True)
            continue
        if not argument.startswith("--") or name not in _VALUES:
            raise UsageError(f"oxbridge cache top has no option {argument}; see --help")
        if not equals:
            if not rest:
                raise UsageError(f"--{name} wants a value")
            value = rest.pop(0)
        if name in ("interval", "timeout"):
            setattr(asked, name, _seconds(name, value))
        elif name == "secret-file":
            secret_file = value
        else:
            setattr(asked, name.replace("-", "_"), value)
    _check(asked)
    if secret_file is not None:
        asked.secret = Path(secret_file).read_bytes().removesuffix(b"\n").removesuffix(b"\r")
    elif secret := os.environ.get("OXBRIDGE_CACHE_SECRET"):
        asked.secret = secret.encode()
    return asked


def _check(asked: Arguments) -> None:
    if not asked.nodes:
        raise UsageError("a node is missing: oxbridge cache top http://10.0.0.1:7000")
    forms = [f"--{name}" for name in _FLAGS if getattr(asked, name)]
    if len(forms) > 1:
        raise UsageError(f"{' and '.join(forms)} do not go together")
    if asked.prometheus and len(asked.nodes) > 1:
        raise UsageError("--prometheus is for one node: Prometheus asks each by itself")
    if (asked.cert is None) != (asked.key is None):
        raise UsageError("--cert and --key go together")
    path = asked.base_path
    if not (path.startswith("/") and path.endswith("/")):
        raise UsageError(f"--base-path is {path!r}; wanted a path with a slash at both ends")


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0.05 <= seconds <= 86400:
        raise UsageError(f"--{name} is {value!r}; wanted seconds, from 0.05 to 86400")
    return seconds


def _node(text: str) -> str:
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port
    except ValueError:
        good = None
    if not good or parts.path.strip("/") or parts.query:
        raise UsageError(f"the node {text!r} is not host:port, or that after http:// or https://")
    return f"{parts.scheme}://{parts.netloc}"
