r"""Serving an application, a mux or a single handler on a free port, for the length of a test.

Everything is real: sockets, threads, the server, and the lifespan of an application. A test reads

    from oxbridge.testing import serve

    def test_hello():
        with serve(app) as client:
            assert client.get("/").text == "Hello, world.\n"

With pytest, the fixture `oxbridge_server` does the same: see `oxbridge.pytest_plugin`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, Unpack
from urllib.parse import urlsplit

from oxbridge._mounted import is_handler
from oxbridge._oxbridge import Tls
from oxbridge.options import Options
from oxbridge.server import Server

# How long a request may take before a test is better told that it hangs, in seconds.
TIMEOUT = 30.0


@dataclass(frozen=True)
class Response:
    """A whole answer, as `Client.request` returns it."""

    status: int
    headers: Message
    """The fields: `headers["Name"]` in any case, None if absent; `get_all` for repeated ones."""
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, in the charset that Content-Type names, else UTF-8."""
        return self.body.decode(self.headers.get_content_charset("utf-8"))

    def json(self) -> Any:
        """Parse the body as JSON."""
        return json.loads(self.body)


class Client:
    """A server under test and the way to ask it. Each request has a connection of its own.

    It follows no redirects and keeps no cookies: a test sees what the server said. It takes
    whatever certificate the server shows. For everything else point a client of your own at `url`.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        """The running server."""
        self.url: str = server.url
        """Where it listens, without a slash at the end."""

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """Send a GET request and read the whole answer."""
        return self.request("GET", path, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        body: str | bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request and read the whole answer.

        A body given in pieces is sent in chunks. The path goes out as it is: a query and escapes
        are the caller's.
        """
        connection = self._connect()
        try:
            sent = body.encode() if isinstance(body, str) else body
            connection.request(method, path, body=sent, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        url = urlsplit(self.url)
        if url.hostname is None:
            raise RuntimeError(f"this client connects to TCP ports only, not to {self.url}")
        if url.scheme == "http":
            return http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT)
        # Certificates of a test are seldom ones that anybody vouches for.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(url.hostname, url.port, timeout=TIMEOUT, context=context)


@contextlib.contextmanager
def serve(
    target: Any = None,
    *,
    interface: str = "auto",
    host: str = "127.0.0.1",
    port: int | str = 0,
    bind: str | Iterable[str] | None = None,
    tls: Tls | None = None,
    **options: Unpack[Options],
) -> Iterator[Client]:
    """Serve on a free port, in this process, while the `with` block runs.

    An application starts before the block (ASGI's lifespan, RSGI's `__rsgi_init__`) and has ended
    after it. It runs on threads of the server's, ASGI and RSGI on an event loop in one of them.

    Args:
        target: A WSGI, ASGI or RSGI application; a mux; a handler, which then answers every path;
            a `Config`; else `default_mux`. A plain function of two parameters is taken for a
            handler unless their names are those of WSGI, such as `environ`.
        interface: What the target is, where it does not show: "asgi", "asgi2", "asgi3", "wsgi",
            "rsgi", "mux" for a handler.
        host: As for `Server`.
        port: As for `Server`.
        bind: As for `Server`.
        tls: As for `Server`.
        **options: As for `Server`.

    Raises:
        StartupFailed: The application failed to start.
    """
    if interface == "auto" and is_handler(target):
        interface = "mux"
    with Server(
        target, interface=interface, host=host, port=port, bind=bind, tls=tls, **options
    ) as server:
        yield Client(server)
