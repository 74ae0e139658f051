"""What a handler reads of a request, compared with what Go's own net/http gives."""

from __future__ import annotations

import http.client
import socket
import tomllib
from collections.abc import Iterator

import pytest
from hosted import BOUND, Hosted
from libgohttp import HERE, Library, run

from serving import Served

REQUESTS = tomllib.loads((HERE / "requests.toml").read_text(encoding="utf-8"))["request"]

pytestmark = pytest.mark.needs("go")


@pytest.fixture(scope="module")
def go_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that is Go's."""
    import programs

    go = programs.find("go")
    assert go is not None  # the marker `needs`
    oracle = tmp_path_factory.mktemp("oracle") / "oracle"
    run(go, "build", "-o", oracle, ".", cwd=HERE / "oracle")
    served = Served([str(oracle)])
    yield served.port
    served.kill()


@pytest.fixture(scope="module")
def our_port(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that is ours."""
    hosted = Hosted([library.compile("tell.c", tmp_path_factory.mktemp("tell") / "tell")])
    yield hosted.port
    hosted.kill()


def ask(port: int, text: str) -> tuple[int, bytes]:
    """Send the request and return status and body of the answer."""
    request = text.removeprefix("\n").replace("\n", "\r\n").encode("utf-8")
    with socket.create_connection(("127.0.0.1", port), timeout=BOUND) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


@pytest.mark.parametrize("text", [pytest.param(row["text"], id=row["name"]) for row in REQUESTS])
def test_a_handler_reads_what_gos_would(go_port: int, our_port: int, text: str) -> None:
    ours, gos = ask(our_port, text), ask(go_port, text)
    assert ours == gos
    assert ours[0] == 200
