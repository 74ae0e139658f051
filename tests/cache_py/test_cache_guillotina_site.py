"""Guillotina over two processes, one database and one cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cache_conditions import until
from postgres_process import postgres

from app_server import apps_of
from serving import free_port

pytest.importorskip("guillotina")
pytestmark = [pytest.mark.needs("postgres"), pytest.mark.timeout(300)]

ROOT_USER = ("root", "correct horse")
OURS = {"applications": ["oxbridge.contrib.guillotina"]}
THEIRS = {
    "applications": ["guillotina.contrib.pubsub", "guillotina.contrib.cache"],
    "settings": {
        "cache": {
            "driver": "oxbridge.contrib.guillotina.driver",
            "updates_channel": "guillotina",
        },
        "load_utilities": {
            "guillotina_pubsub": {
                "provides": "guillotina.interfaces.IPubSubUtility",
                "factory": "guillotina.contrib.pubsub.utility.PubSubUtility",
                "settings": {"driver": "oxbridge.contrib.guillotina.driver"},
            }
        },
    },
}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


@contextmanager
def site(database: str, kind: dict[str, Any]) -> Iterator[list[httpx.Client]]:
    """Serve a site by two processes that share a cache; give a client of each."""
    ports = [free_port() for _ in range(2)]
    peers = [f"http://127.0.0.1:{port}" for port in ports]
    clients = []
    with apps_of(Path(__file__).parent) as serve:
        for port in ports:
            settings = {
                **kind.get("settings", {}),
                "oxbridge_cache": {
                    "bind": f"127.0.0.1:{port}",
                    "peers": peers,
                    "secret": "of the tests",
                    "timeout": 20,
                },
            }
            given = {"applications": kind["applications"], "dsn": database, "settings": settings}
            served = serve(
                "guillotina_site:app",
                interface="asgi",
                env={"GUILLOTINA_SITE": json.dumps(given)},
            )
            clients.append(httpx.Client(base_url=served.url, auth=ROOT_USER, timeout=60))
        try:
            yield clients
        finally:
            for client in clients:
                client.close()


@pytest.fixture(scope="module")
def ours(database: str) -> Iterator[list[httpx.Client]]:
    with site(database, OURS) as clients:
        made = clients[0].post("/db", json={"@type": "Container", "id": "shelf"})
        assert made.status_code == 200, made.text
        yield clients


def stats(client: httpx.Client, container: str = "shelf") -> dict[str, Any]:
    """Give the numbers of a process's cache."""
    answer = client.get(f"/db/{container}/@cache-stats")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told["group"]


def title(client: httpx.Client, path: str) -> str:
    """Give the title of an object."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["title"]
    return found


def add(client: httpx.Client, name: str) -> str:
    """Add an object; give its path."""
    made = client.post("/db/shelf", json={"@type": "Item", "id": name, "title": "first"})
    assert made.status_code == 201, made.text
    return f"/db/shelf/{name}"


def test_a_commit_is_seen_by_the_other_process_at_once(ours: list[httpx.Client]) -> None:
    one, other = ours
    path = add(one, "page")
    assert title(other, path) == "first"
    # It is read from the cache, in both processes.
    for client in (one, other):
        before = stats(client)
        assert title(client, path) == "first"
        after = stats(client)
        assert after["cache_hits"] > before["cache_hits"]
    for number in range(30):
        writer, reader = (one, other) if number % 2 else (other, one)
        changed = writer.patch(path, json={"title": f"title {number}"})
        assert changed.status_code == 204, changed.text
        assert title(reader, path) == f"title {number}"
        assert title(writer, path) == f"title {number}"


def test_what_is_not_committed_is_seen_by_nobody(ours: list[httpx.Client]) -> None:
    one, other = ours
    path = "/db/shelf/page"
    if one.get(path).status_code == 404:
        add(one, "page")
    before = title(other, path)
    failed = one.post("/db/shelf/@rename-and-fail")
    assert failed.status_code == 500
    assert title(one, path) == title(other, path) == before


def test_children_come_and_go_for_both(ours: list[httpx.Client]) -> None:
    one, other = ours
    path = add(one, "short-lived")
    assert title(other, path) == "first"
    names = other.get("/db/shelf/@ids").json()
    assert "short-lived" in names
    gone = other.delete(path)
    assert gone.status_code == 200, gone.text
    assert one.get(path).status_code == 404
    assert "short-lived" not in one.get("/db/shelf/@ids").json()
    # One that comes back is another one.
    add(other, "short-lived")
    assert one.patch(path, json={"title": "second"}).status_code == 204
    assert title(other, path) == "second"


def test_the_cache_is_cleared_in_both(ours: list[httpx.Client]) -> None:
    one, other = ours
    path = add(one, "cleared")
    assert title(one, path) == title(other, path)
    for client in ours:
        assert stats(client)["main"]["items"] + stats(client)["hot"]["items"] > 0
    cleared = one.post("/db/shelf/@cache-clear")
    assert cleared.status_code == 200, cleared.text
    # What the look at the numbers itself needs is there again.
    for client in ours:
        numbers = stats(client)
        assert numbers["main"]["items"] + numbers["hot"]["items"] < 20
    assert title(other, path) == "first"


def test_conflicting_writers_leave_what_was_committed(ours: list[httpx.Client]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path = add(ours[0], "contended")

    def write(number: int) -> int:
        client = ours[number % 2]
        return client.patch(path, json={"title": f"writer {number}"}).status_code

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(write, range(60)))
    assert 204 in outcomes
    assert set(outcomes) <= {204, 409, 412, 503}, outcomes
    assert title(ours[0], path) == title(ours[1], path)
    # What the database has is what both say.
    assert ours[0].post("/db/shelf/@cache-clear").status_code == 200
    committed = title(ours[0], path)
    assert title(ours[1], path) == committed


def test_guillotinas_own_utilities_have_a_driver_in_us(database: str) -> None:
    with site(database, THEIRS) as (one, other):
        made = one.post("/db", json={"@type": "Container", "id": "theirs"})
        assert made.status_code == 200, made.text
        path = "/db/theirs/page"
        made = one.post("/db/theirs", json={"@type": "Item", "id": "page", "title": "first"})
        assert made.status_code == 201, made.text
        assert title(other, path) == "first"
        for number in range(10):
            writer, reader = (one, other) if number % 2 else (other, one)
            assert writer.patch(path, json={"title": f"t {number}"}).status_code == 204
            # Their memory learns of it by pub/sub.
            until(lambda n=number, reader=reader: title(reader, path) == f"t {n}")  # type: ignore[misc]
