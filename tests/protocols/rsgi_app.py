"""An RSGI application whose paths each do one thing that the specification speaks of."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

JSON = [("content-type", "application/json")]
TEXT = [("content-type", "text/plain; charset=utf-8"), ("x-many", "1"), ("x-many", "2")]
DATA = bytes(range(256)) * 4096


def asked(scope: Any, name: str = "name") -> str:
    return parse_qs(scope.query_string)[name][0]


class Application:
    """The object form of an application: a coroutine method and two hooks."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.noted: defaultdict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
        self.file = Path(tempfile.mkdtemp()) / "file"

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once before the first request; the loop may be run by it."""
        self.loop = loop
        self.file.write_bytes(DATA)
        loop.run_until_complete(asyncio.sleep(0))

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once after the last request."""
        loop.run_until_complete(asyncio.sleep(0))
        self.file.unlink()
        os.write(2, b"rsgi_del was called\n")

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer by path."""
        name = scope.path.strip("/").replace("/", "_").replace("-", "_")
        prefix = "ws" if scope.proto == "ws" else "http"
        await getattr(self, f"{prefix}_{name}", self.http_scope)(scope, protocol)

    async def http_scope(self, scope: Any, protocol: Any) -> None:
        names = ("proto", "rsgi_version", "http_version", "server", "client", "scheme", "method")
        names = (*names, "path", "query_string")
        told = {name: getattr(scope, name) for name in names}
        headers = scope.headers
        told["authority"] = getattr(scope, "authority", None)
        told["types"] = sorted({type(getattr(scope, name)).__name__ for name in names})
        told["loop"] = self.loop is asyncio.get_running_loop()
        told["headers"] = {
            "contains": "x-mixed" in headers,
            "lacks": "x-none" not in headers,
            "item": headers["x-mixed"] if len(headers.get_all("x-mixed")) else None,
            "get": headers.get("x-none"),
            "default": headers.get("x-none", "default"),
            "all": list(headers.get_all("x-mixed")),
            "keys": sorted(set(headers.keys())),
            "values": sorted(headers.values()),
            "items": sorted([*pair] for pair in headers.items()),
            "iterated": sorted(set(headers)),
            "length": len(headers),
        }
        protocol.response_str(200, JSON, json.dumps(told))

    async def http_note(self, scope: Any, protocol: Any) -> None:
        value = await asyncio.wait_for(self.noted[asked(scope)].get(), 20)
        protocol.response_str(200, JSON, json.dumps(value))

    async def http_body(self, scope: Any, protocol: Any) -> None:
        body = await protocol()
        told = [type(body).__name__, len(body), body[:10].decode()]
        protocol.response_bytes(200, JSON, json.dumps(told).encode())

    async def http_pieces(self, scope: Any, protocol: Any) -> None:
        sizes = [len(piece) async for piece in protocol]
        protocol.response_str(200, JSON, json.dumps([sum(sizes), len(sizes) > 1]))

    async def http_unread(self, scope: Any, protocol: Any) -> None:
        protocol.response_empty(200, [])

    async def http_empty(self, scope: Any, protocol: Any) -> None:
        protocol.response_empty(204, [("x-many", "1"), ("x-many", "2")])

    async def http_str(self, scope: Any, protocol: Any) -> None:
        protocol.response_str(201, TEXT, "grüße")

    async def http_bytes(self, scope: Any, protocol: Any) -> None:
        protocol.response_bytes(status=200, headers=TEXT, body=b"\x00\xff")

    async def http_file(self, scope: Any, protocol: Any) -> None:
        protocol.response_file(200, [("content-type", "application/x")], str(self.file))

    async def http_file_range(self, scope: Any, protocol: Any) -> None:
        begin, end = (int(part) for part in asked(scope, "range").split("-"))
        protocol.response_file_range(206, [], str(self.file), begin, end)

    async def http_file_none(self, scope: Any, protocol: Any) -> None:
        protocol.response_file(200, [], str(self.file) + ".none")

    async def http_stream(self, scope: Any, protocol: Any) -> None:
        transport = protocol.response_stream(200, TEXT)
        for _ in range(16):
            await transport.send_bytes(b"b" * 65536)
            await transport.send_str("é")

    async def http_on_demand(self, scope: Any, protocol: Any) -> None:
        transport = protocol.response_stream(200, TEXT)
        await transport.send_str("first\n")
        await asyncio.wait_for(self.noted[asked(scope) + "-go"].get(), 20)
        await transport.send_str("second\n")

    async def http_go(self, scope: Any, protocol: Any) -> None:
        await self.noted[asked(scope) + "-go"].put(True)
        protocol.response_empty(204, [])

    async def http_backpressure(self, scope: Any, protocol: Any) -> None:
        transport = protocol.response_stream(200, TEXT)
        sent = 0
        try:
            while sent < 100_000_000:
                await asyncio.wait_for(transport.send_bytes(b"x" * 65536), 0.5)
                sent += 65536
        except TimeoutError:
            pass
        await self.noted[asked(scope)].put(sent)

    async def http_disconnect(self, scope: Any, protocol: Any) -> None:
        """client_disconnect() ends once the client has gone."""
        await self.noted[asked(scope)].put("ready")
        await asyncio.wait_for(protocol.client_disconnect(), 20)
        await self.noted[asked(scope)].put("gone")

    async def http_raise(self, scope: Any, protocol: Any) -> None:
        raise RuntimeError("meant to fail before")

    async def http_return(self, scope: Any, protocol: Any) -> None:
        """Return without an answer."""

    async def http_raise_midway(self, scope: Any, protocol: Any) -> None:
        transport = protocol.response_stream(200, TEXT)
        await transport.send_str("begun")
        raise RuntimeError("meant to fail midway")

    async def ws_echo(self, scope: Any, protocol: Any) -> None:
        transport = await protocol.accept()
        while (message := await transport.receive()).kind != 0:
            if message.kind == 1:
                assert type(message.data) is bytes
                await transport.send_bytes(message.data)
            else:
                assert message.kind == 2
                assert type(message.data) is str
                await transport.send_str(message.data)
        await self.noted[asked(scope)].put(int(message.kind))
        protocol.close()

    async def ws_scope(self, scope: Any, protocol: Any) -> None:
        transport = await protocol.accept()
        names = ("proto", "rsgi_version", "http_version", "scheme", "method", "path")
        await transport.send_str(json.dumps({name: getattr(scope, name) for name in names}))
        protocol.close()

    async def ws_refuse(self, scope: Any, protocol: Any) -> None:
        protocol.close(403)

    async def ws_close(self, scope: Any, protocol: Any) -> None:
        await protocol.accept()
        protocol.close(4001)

    async def ws_raise(self, scope: Any, protocol: Any) -> None:
        raise RuntimeError("meant to fail before the accept")


app = Application()


async def function(scope: Any, protocol: Any) -> None:
    """The other form of an application: a coroutine function."""
    protocol.response_str(200, [], scope.path)
