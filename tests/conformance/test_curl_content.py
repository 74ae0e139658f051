"""curl takes compressed responses, and files of a directory that the server serves itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from curl import VERSIONS, Curl

from oxbridge import Mux, Request, ResponseWriter
from oxbridge._oxbridge import Core

pytestmark = pytest.mark.needs("curl")

TEXT = "to be or not to be\n" * 50_000


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server that compresses, and has a directory at /s."""
    mux = Mux()

    @mux.route("/whole")
    def whole(w: ResponseWriter, req: Request) -> None:
        w.write(TEXT)

    @mux.route("/pieces")
    def pieces(w: ResponseWriter, req: Request) -> None:
        for start in range(0, len(TEXT), 100_000):
            w.write(TEXT[start : start + 100_000])
            w.flush()

    (tmp_path / "a.txt").write_text(TEXT)
    options: dict[str, object] = {"compression": {}, "static": [("/s", str(tmp_path))]}
    core = Core(mux._mux, ["127.0.0.1:0"], None, options)
    core.start()
    assert core.url is not None
    yield core.url
    core.begin_stop(5)
    assert core.wait(30)


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
@pytest.mark.parametrize("target", ["whole", "pieces", "s/a.txt"])
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_compressed_responses_arrive_whole(
    curl: Curl, url: str, target: str, coding: str, version: list[str], proto: str
) -> None:
    # Whatever this curl was built with it decodes; each coding is looked at besides.
    answer = curl(f"{url.rstrip('/')}/{target}", *version, "--compressed")
    heads = answer.heads.lower()
    assert "\r\ncontent-encoding: " in heads
    assert "\r\nvary: accept-encoding\r\n" in heads
    assert answer.body.decode() == TEXT
    coded = curl(f"{url.rstrip('/')}/{target}", *version, "-H", f"Accept-Encoding: {coding}")
    assert f"\r\ncontent-encoding: {coding}\r\n" in coded.heads.lower()
    assert len(coded.body) < len(TEXT) / 10


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_a_head_says_what_get_would(curl: Curl, url: str, version: list[str], proto: str) -> None:
    for target in ["whole", "pieces", "s/a.txt"]:
        answer = curl(f"{url.rstrip('/')}/{target}", *version, "--compressed", "--head")
        assert "\r\ncontent-encoding: " in answer.heads.lower()
        assert "\r\nvary: accept-encoding\r\n" in answer.heads.lower()


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_a_file_is_taken_up_where_it_broke_off(
    curl: Curl, url: str, version: list[str], proto: str
) -> None:
    answer = curl(f"{url.rstrip('/')}/s/a.txt", *version, "--compressed", "--range", "100-")
    assert answer.heads.split()[1] == "206"
    assert answer.body.decode() == TEXT[100:]
