"""Content on its way out: compressed responses, and directories that the server serves itself."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from oxbridge import Mux, Request, ResponseWriter
from oxbridge._oxbridge import Core

TEXT = "to be or not to be\n" * 1000


@contextmanager
def serving(**options: Any) -> Iterator[httpx.Client]:
    """A client of a server with these options, below an application that says what it was asked."""
    mux = Mux()

    @mux.route("/")
    def app(w: ResponseWriter, req: Request) -> None:
        w.write(TEXT if req.path == "/text" else f"app: {req.method} {req.path}")

    core = Core(mux._mux, ["127.0.0.1:0"], None, options)
    core.start()
    try:
        url = core.url
        assert url is not None
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            yield client
    finally:
        core.begin_stop(5)
        assert core.wait(30)


@pytest.mark.parametrize(
    ("settings", "accept", "coding"),
    [
        ({}, "gzip", "gzip"),
        ({}, "gzip, br", "br"),
        ({}, "gzip, br, zstd", "zstd"),
        ({}, "identity", None),
        ({"algorithms": ["gzip"]}, "gzip, br, zstd", "gzip"),
        ({"algorithms": ["gzip", "br"]}, "br, gzip", "gzip"),
        ({"algorithms": []}, "gzip", None),
        ({"min_size": 1_000_000}, "gzip", None),
        ({"min_size": 0, "gzip_level": 9, "brotli_quality": 5, "zstd_level": 1}, "gzip", "gzip"),
        (None, "gzip", None),
    ],
)
def test_responses_are_compressed(
    settings: dict[str, Any] | None, accept: str, coding: str | None
) -> None:
    headers = {"accept-encoding": accept}
    with (
        serving(compression=settings) as client,
        client.stream("GET", "/text", headers=headers) as answer,
    ):
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers.get("vary") == (None if settings is None else "Accept-Encoding")
    if coding == "gzip":
        assert gzip.decompress(raw).decode() == TEXT
    assert (len(raw) < len(TEXT) / 10) == (coding is not None)


def test_a_directory_is_served_before_the_application(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "index.html").write_text("home")
    (tmp_path / "app.js").write_text("plain")
    (tmp_path / "app.js.gz").write_bytes(gzip.compress(b"coded"))
    with serving(static=[("/s", str(tmp_path))]) as client:
        assert client.get("/s/a.txt").text == "a"
        assert client.get("/s/").text == "home"
        assert client.get("/s/app.js", headers={"accept-encoding": "gzip"}).text == "coded"
        assert client.get("/s/app.js", headers={"accept-encoding": "identity"}).text == "plain"
        assert client.get("/s/none").text == "app: GET /s/none"
        assert client.post("/s/a.txt").text == "app: POST /s/a.txt"
        assert client.get("/else").text == "app: GET /else"


def test_a_directory_can_lie_over_the_whole_application(tmp_path: Path) -> None:
    (tmp_path / "robots.txt").write_text("User-agent: *")
    with serving(static=[("/", tmp_path)]) as client:
        assert client.get("/robots.txt").text == "User-agent: *"
        assert client.get("/").text == "app: GET /"


def test_a_directory_has_settings(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("h")
    settings = {"max_age": 60, "hidden": True, "fallthrough": False, "index": None}
    with serving(static=[("/s", str(tmp_path), settings)]) as client:
        answer = client.get("/s/.hidden")
        assert answer.text == "h"
        assert answer.headers["cache-control"] == "public, max-age=60"
        assert client.get("/s/none").status_code == 404
        assert client.post("/s/.hidden").status_code == 405


@pytest.mark.parametrize(
    ("option", "error", "words"),
    [
        ({"compression": "gzip"}, TypeError, "compression is 'gzip'; wanted a dict"),
        ({"compression": {"algorithms": ["deflate"]}}, ValueError, '"deflate"; wanted one of'),
        ({"compression": {"level": 3}}, TypeError, 'no setting "level"'),
        ({"compression": {"min_size": -1}}, OverflowError, "negative"),
        ({"static": 3}, TypeError, "static is 3"),
        ({"static": ["ab"]}, TypeError, "static is 'ab'; wanted"),
        ({"static": [("/s",)]}, TypeError, "wanted"),
        ({"static": [("/s", "/", {"ttl": 3})]}, TypeError, 'no setting "ttl"'),
        ({"static": [("/s", "/no/such/directory")]}, FileNotFoundError, "/no/such/directory"),
    ],
)
def test_a_wrong_option_is_refused(
    option: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Core(Mux()._mux, ["127.0.0.1:0"], None, option)
