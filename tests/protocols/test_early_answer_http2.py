"""An answer before its request is complete, over HTTP/2, as a strict client sees it.

RFC 9113, section 8.1: the server answers, ends its side, and asks the client by RST_STREAM with
NO_ERROR to stop sending. Clients that look for an answer only when all is sent wait for ever.
"""

from __future__ import annotations

import socket

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest

from app_server import ServeApp, is_peer

BOUND = 20.0

pytestmark = pytest.mark.skipif(is_peer("uvicorn", "gunicorn"), reason="has no HTTP/2")


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
@pytest.mark.parametrize("path", ["/plain", "/stream", "/raises"])
def test_an_upload_that_nobody_reads_is_stopped(
    serve_app: ServeApp, interface: str, path: str
) -> None:
    served = serve_app(f"memory_app:{interface}", interface=interface)
    config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
    connection = h2.connection.H2Connection(config)
    with socket.create_connection(("127.0.0.1", served.port), timeout=BOUND) as wire:
        connection.initiate_connection()
        events = _ask(wire, connection, 1, "POST", path)
        kinds = [type(event) for event in events]
        assert kinds.index(h2.events.StreamEnded) < kinds.index(h2.events.StreamReset)
        (reset,) = (event for event in events if isinstance(event, h2.events.StreamReset))
        assert reset.error_code == h2.errors.ErrorCodes.NO_ERROR
        assert _status(events) == ("500" if path == "/raises" else "200")
        # The connection serves on, its window included.
        assert _status(_ask(wire, connection, 3, "GET", "/plain")) == "200"


def _ask(
    wire: socket.socket,
    connection: h2.connection.H2Connection,
    stream: int,
    method: str,
    path: str,
) -> list[h2.events.Event]:
    """Send a request, a POST with one window of a body that has no end; what comes back."""
    fields = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)]
    connection.send_headers(stream, fields, end_stream=method == "GET")
    if method == "POST":
        left = connection.local_flow_control_window(stream)
        while left:
            piece = min(left, connection.max_outbound_frame_size)
            connection.send_data(stream, b"x" * piece)
            left -= piece
    wire.sendall(connection.data_to_send())
    last = h2.events.StreamReset if method == "POST" else h2.events.StreamEnded
    seen: list[h2.events.Event] = []
    while not any(isinstance(event, last) for event in seen):
        data = wire.recv(65536)
        assert data, f"closed after {seen}"
        seen += connection.receive_data(data)
        wire.sendall(connection.data_to_send())
    return seen


def _status(events: list[h2.events.Event]) -> str:
    (head,) = (event for event in events if isinstance(event, h2.events.ResponseReceived))
    return dict(head.headers or ())[":status"]
