"""Applications of each interface that note what becomes of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from oxbridge.rsgi import HTTPProtocol, Scope

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the path."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"wsgi {environ['REQUEST_METHOD']} {environ['PATH_INFO']}".encode()]


class Asgi:
    """An ASGI application; `events` are those of its lifespan."""

    def __init__(self, failure: str | None = None) -> None:
        self.events: list[str] = []
        self.failure = failure
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop of the last request."""
        self.thread = ""
        self.waiting = threading.Event()
        """Set when a request for /wait has come."""
        self.go: Callable[[], object] = lambda: None
        """Lets it go on, from any thread."""
        self.cancelled = threading.Event()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(scope, receive, send)
            return
        self.loop = asyncio.get_running_loop()
        self.thread = threading.current_thread().name
        if scope["path"] == "/wait":
            await self.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        text = f"asgi {scope['method']} {scope['path']} {scope['state'].get('made')}"
        await send({"type": "http.response.body", "body": text.encode()})

    async def wait(self) -> None:
        going = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.go = lambda: loop.call_soon_threadsafe(going.set)
        self.waiting.set()
        try:
            await going.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def live(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        if self.failure is not None:
            await send({"type": "lifespan.startup.failed", "message": self.failure})
            return
        self.events.append("startup")
        scope["state"]["made"] = "by-lifespan"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        self.events.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})


class Rsgi:
    """An RSGI application; `events` are its life."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.events: list[str] = []
        self.failure = failure
        self.loop: asyncio.AbstractEventLoop | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.failure is not None:
            raise self.failure
        self.events.append("startup")

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.events.append("shutdown")

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        self.loop = asyncio.get_running_loop()
        protocol.response_str(200, [], f"rsgi {scope.method} {scope.path}")
