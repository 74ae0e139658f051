"""An app without a server: `bare_loop.py MODULE:APP PATH SECONDS` prints its CPU per call in µs.

It calls the app again and again with one request, made once and copied for each call, because apps
write into it. What the copy costs is a server's work, and is taken off.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
import sys
import time
from collections.abc import Callable
from typing import Any

HEADERS = {"host": "127.0.0.1:8000"}
WARM_UP = 500
BATCH = 200


def environ(path: str) -> dict[str, Any]:
    """A request as PEP 3333 wants it."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": HEADERS["host"],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def scope(path: str) -> dict[str, Any]:
    """A request as ASGI wants it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in HEADERS.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


def call_wsgi(app: Any, request: dict[str, Any]) -> None:
    """One whole call: the body is taken, and what it came from is closed."""
    said: list[str] = []

    def start_response(
        status: str, headers: object, exc_info: object = None
    ) -> Callable[..., None]:
        said.append(status)
        return said.append

    body = app(request.copy(), start_response)
    length = sum(map(len, body))
    if hasattr(body, "close"):
        body.close()
    if said != ["200 OK"] or not length:
        raise SystemExit(f"the app answers {said} with {length} bytes")


async def receive() -> dict[str, Any]:
    """A request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def call_asgi(app: Any, request: dict[str, Any]) -> None:
    """One whole call."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(request.copy(), receive, send)
    if sent[0]["status"] != 200 or not sent[-1]["body"]:
        raise SystemExit(f"the app answers {sent}")


async def measure_asgi(app: Any, request: dict[str, Any], seconds: float) -> float:
    """Microseconds of CPU per call, one after the other in one task."""
    for _ in range(WARM_UP):
        await call_asgi(app, request)
    calls = 0
    began = time.process_time()
    while (used := time.process_time() - began) < seconds:
        for _ in range(BATCH):
            await call_asgi(app, request)
        calls += BATCH
    return 1e6 * used / calls


def measure_wsgi(app: Any, request: dict[str, Any], seconds: float) -> float:
    """Microseconds of CPU per call."""
    for _ in range(WARM_UP):
        call_wsgi(app, request)
    calls = 0
    began = time.process_time()
    while (used := time.process_time() - began) < seconds:
        for _ in range(BATCH):
            call_wsgi(app, request)
        calls += BATCH
    return 1e6 * used / calls


def copying(request: dict[str, Any]) -> float:
    """Microseconds that a copy costs."""
    began = time.process_time()
    for _ in range(100_000):
        request.copy()
    return 10 * (time.process_time() - began)


def main(name: str, path: str, seconds: float) -> float:
    """Microseconds of CPU per call of the app, of whichever interface it is."""
    module, _, attribute = name.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__):
        request = scope(path)
        return asyncio.run(measure_asgi(app, request, seconds)) - copying(request)
    request = environ(path)
    return measure_wsgi(app, request, seconds) - copying(request)


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
