"""WSGI without a framework: what is asked of every WSGI server of the table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

HELLO = b"Hello, world.\n"
PIECE = bytes(range(256)) * 16
PIECES = 16
BLOCK = bytes(range(256)) * 256
"""What a download repeats: 64 KiB."""

NAP = 0.05
"""How long `/nap` sleeps, in seconds."""

TEXT = ("Content-Type", "text/plain; charset=utf-8")
BINARY = ("Content-Type", "application/octet-stream")


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer `/`, `/nap`, `/echo` (POST), `/stream` and `/download/BLOCKS`."""
    path = environ["PATH_INFO"]
    if path == "/":
        start_response("200 OK", [TEXT, ("Content-Length", str(len(HELLO)))])
        return (HELLO,)
    if path == "/nap":
        time.sleep(NAP)
        start_response("200 OK", [TEXT, ("Content-Length", str(len(HELLO)))])
        return (HELLO,)
    if path == "/echo":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [BINARY, ("Content-Length", str(len(body)))])
        return (body,)
    if path == "/stream":
        start_response("200 OK", [BINARY])
        return (PIECE for _ in range(PIECES))
    if path.startswith("/download/"):
        start_response("200 OK", [BINARY])
        return blocks(int(path.removeprefix("/download/")))
    start_response("404 Not Found", [TEXT, ("Content-Length", "0")])
    return ()


def blocks(count: int) -> Iterator[bytes]:
    """Yield as fast as the server asks for it."""
    for _ in range(count):
        yield BLOCK
