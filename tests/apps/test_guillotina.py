"""Guillotina, whose applications are ASGI down to the lifespan: its REST API and its WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator

import content
import frameworks
import httpx
import pytest
from websockets.sync.client import connect

from app_server import ServeApp
from serving import Served

ROOT = ("root", "correct horse")


@pytest.fixture(scope="module")
def served(serve_app: ServeApp) -> Served:
    frameworks.needs("guillotina")
    return serve_app("guillotina_app:app", interface="asgi")


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, auth=ROOT, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def container(client: httpx.Client) -> str:
    """Make a container with a document in it; return its path."""
    made = client.post("/db", json={"@type": "Container", "id": "shelf", "title": "Regal"})
    assert made.status_code == 200, made.text
    made = client.post(
        "/db/shelf/@addons", json={"id": "application"}
    )  # unknown: refused, and the connection goes on
    assert made.status_code >= 400
    return "/db/shelf"


def test_the_root_answers_nobody_and_root(client: httpx.Client, served: Served) -> None:
    assert httpx.get(f"{served.url}/db").status_code == 401
    assert client.get("/").json()["@type"] == "Application"


def test_content_is_made_read_changed_and_deleted(client: httpx.Client, container: str) -> None:
    item = {"@type": "Item", "id": "erstes", "title": "Größe"}
    made = client.post(container, json=item)
    assert made.status_code == 201, made.text
    assert made.headers["location"].endswith("/db/shelf/erstes")
    assert client.get(f"{container}/erstes").json()["title"] == "Größe"
    assert client.patch(f"{container}/erstes", json={"title": "kleiner"}).status_code == 204
    assert client.get(f"{container}/erstes").json()["title"] == "kleiner"
    assert client.head(f"{container}/erstes").content == b""
    assert client.delete(f"{container}/erstes").status_code == 200
    assert client.get(f"{container}/erstes").status_code == 404


def test_a_folder_with_children(client: httpx.Client, container: str) -> None:
    assert client.post(container, json={"@type": "Folder", "id": "f"}).status_code == 201
    for n in range(20):
        assert client.post(f"{container}/f", json={"@type": "Item", "id": f"i{n}"}).is_success
    got = client.get(f"{container}/f", params={"include": "items"})
    assert got.json()["length"] == 20


def test_path_and_query(client: httpx.Client, container: str) -> None:
    got = client.get(f"{container}/@greet/gr%C3%BC%C3%9Fe", params={"a": "ü & b"})
    assert got.json() == {"name": "grüße", "query": {"a": "ü & b"}}


def test_a_large_body_is_read_in_pieces(client: httpx.Client) -> None:
    assert client.post("/@size", content=content.LARGE).json() == {"size": len(content.LARGE)}


def test_options_of_another_origin(client: httpx.Client, container: str) -> None:
    got = client.options(
        container,
        headers={"Origin": "http://localhost:8080", "Access-Control-Request-Method": "GET"},
    )
    assert got.status_code == 200
    assert got.headers["access-control-allow-origin"]


def test_websocket(client: httpx.Client, served: Served, container: str) -> None:
    token = client.get(f"{container}/@wstoken").json()["token"]
    url = f"{served.url.replace('http', 'ws', 1)}{container}/@ws?ws_token={token}"
    with connect(url, proxy=None) as socket:
        socket.send(json.dumps({"op": "GET", "value": "/@greet/socket", "id": "7"}))
        told = json.loads(socket.recv(30))
        assert told["id"] == "7"
        assert json.loads(told["data"])["name"] == "socket"
        socket.send(json.dumps({"op": "close"}))
