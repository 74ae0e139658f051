"""The application of this folder as its tests see it: addresses, files, and what is in use."""

from __future__ import annotations

import http.client
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from serving import Served, python_command

SCRIPT = Path(__file__).with_name("conformance_app.py")
SETTLE = 20.0
"""How long the server may take to see that clients have gone, in seconds."""


@dataclass(frozen=True)
class Keys:
    """PEM files: as the fixture `certificates` of the folder above makes them."""

    authority: Path
    chain: Path
    key: Path
    client_chain: Path
    client_key: Path


class Application:
    """A running conformance_app.py, and the files that it serves under /files."""

    def __init__(self, place: Path, keys: Keys) -> None:
        """Make the files, start the process and wait until it listens."""
        self.keys = keys
        self.files = place / "files"
        self.files.mkdir()
        self.big = self.files / "big.bin"
        self.big.write_bytes(random.Random(1).randbytes(300_000))
        (self.files / "page.html").write_text("<!doctype html><title>A page</title>\n")
        (self.files / "empty.txt").touch()
        self.socket = place / "app.sock"
        self.served = Served(
            python_command(
                SCRIPT, *map(str, (self.files, self.socket, keys.chain, keys.key, keys.authority))
            )
        )
        self.url = self.served.url
        self.tls_url = self._said("TLS")
        self.mutual_url = self._said("mutual TLS")

    @property
    def port(self) -> int:
        """The port of the cleartext listener."""
        return self.served.port

    @property
    def tls_port(self) -> int:
        """The port of the TLS listener."""
        port = urlsplit(self.tls_url).port
        assert port is not None
        return port

    def state(self) -> dict[str, int]:
        """What is in use but for this request: exchanges, connections, and bytes of memory."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/state", headers={"Connection": "close"})
            told: dict[str, int] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        told["exchanges"] -= 1
        told["connections"] -= 1
        return told

    def settled(self, **wanted: int) -> dict[str, int]:
        """Wait for a state such as `exchanges=0`; fail with the one there is if it never comes."""
        end = time.monotonic() + SETTLE
        while True:
            state = self.state()
            if all(state[name] == value for name, value in wanted.items()):
                return state
            assert time.monotonic() < end, f"wanted {wanted}, and after {SETTLE:g} s had {state}"

    def stop(self) -> None:
        """End the process; it must stop by itself, with nothing left of any exchange."""
        try:
            code = self.served.stop()
            assert code == 0, f"the application ended with {code}:\n{self.served.stderr}"
        finally:
            self.served.kill()

    def _said(self, name: str) -> str:
        return self.served.wait_for_line(rf"^{name} on (\S+)")[1]


def parsed(data: bytes | str) -> Any:
    """What /inspect and /form told, with the header fields as a mapping (the last one wins)."""
    told = json.loads(data)
    if isinstance(told, dict) and "headers" in told:
        told["headers"] = dict(told["headers"])
    return told
