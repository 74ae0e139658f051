"""curl takes answers from the server: whole, in parts, slowly, again, from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from curl import MIB, VERSIONS, Curl

pytestmark = pytest.mark.needs("curl")


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
@pytest.mark.parametrize("query", ["", "?length"])
def test_a_download_arrives_whole(curl: Curl, version: list[str], proto: str, query: str) -> None:
    answer = curl(f"/bytes/{8 * MIB}{query}", *version)
    assert len(answer.body) == 8 * MIB
    assert answer.body == answer.body[:64] * (8 * MIB // 64)
    assert ("content-length" in answer.heads.lower()) == bool(query)


def test_a_slow_download_stays_whole(curl: Curl) -> None:
    # One MiB/s: the sockets fill, and the handler has to wait for room.
    answer = curl(f"/bytes/{3 * MIB}", "--limit-rate", "1M")
    assert answer.body == answer.body[:64] * (3 * MIB // 64)
    assert len(answer.body) == 3 * MIB


RANGES = [
    ("0-99", slice(0, 100)),
    ("299000-", slice(299_000, None)),
    ("-500", slice(-500, None)),
    ("100-100", slice(100, 101)),
    ("0-999999", slice(0, None)),
]


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
@pytest.mark.parametrize(("asked", "wanted"), RANGES)
def test_ranges_of_a_file(
    curl: Curl, asked: str, wanted: slice, version: list[str], proto: str
) -> None:
    whole = curl.application.big.read_bytes()
    answer = curl("/files/big.bin", *version, "--range", asked)
    assert answer.heads.split()[1] == "206"
    assert answer.body == whole[wanted]
    first, last, _ = wanted.indices(len(whole))
    assert f"\r\ncontent-range: bytes {first}-{last - 1}/300000\r\n" in answer.heads.lower()


def test_a_range_past_the_end(curl: Curl) -> None:
    answer = curl("/files/big.bin", "--range", "300000-")
    assert answer.heads.split()[1] == "416"
    assert "\r\ncontent-range: bytes */300000\r\n" in answer.heads.lower()


def test_a_download_is_taken_up_where_it_broke_off(curl: Curl) -> None:
    whole = curl.application.big.read_bytes()
    assert curl("/files/big.bin", "--continue-at", "123456").body == whole[123_456:]


def test_a_file_that_has_not_changed_is_not_sent_again(curl: Curl, tmp_path: Path) -> None:
    tag = tmp_path / "tag"
    assert curl("/files/page.html", "--etag-save", tag).heads.split()[1] == "200"
    again = curl("/files/page.html", "--etag-compare", tag)
    assert again.heads.split()[1] == "304"
    assert again.body == b""
    page = curl.application.files / "page.html"
    assert curl("/files/page.html", "--time-cond", page).heads.split()[1] == "304"


# HTTP/2 by TLS only: curl 7.88 fails to use a cleartext one a second time, with any server.
@pytest.mark.parametrize("version", ["--http1.0", "--http1.1", "--http2"])
@pytest.mark.parametrize(
    ("code", "method"), [(301, "GET"), (303, "GET"), (307, "POST"), (308, "POST")]
)
def test_redirects_are_followed(curl: Curl, code: int, method: str, version: str) -> None:
    url = curl.application.tls_url if version == "--http2" else curl.application.url
    answer = curl(
        *(f"{url}/redirect/3?code={code}", version, "--location", "-d", "kept"),
        *("--cacert", curl.application.keys.authority),
    )
    assert answer.heads.count(f" {code}") == 4
    told = answer.told()
    assert (told["url"], told["method"]) == ("/inspect", method)
    assert told["length"] == (4 if method == "POST" else 0)


def test_a_path_that_is_not_clean_is_redirected_to_the_clean_one(curl: Curl) -> None:
    answer = curl("/hello/../hello//you?q", "--path-as-is", "--location")
    assert answer.heads.split()[1] in ("301", "307", "308")
    assert answer.body == b"hello, you\n"


def test_an_interim_answer_is_passed_on(curl: Curl) -> None:
    answer = curl("/hints", "--http1.1")
    first, _, rest = answer.heads.partition("\r\n\r\n")
    assert first.startswith("HTTP/1.1 103")
    assert "\r\nlink: </style.css>; rel=preload" in first.lower()
    assert rest.startswith("HTTP/1.1 200 OK\r\n")
    assert answer.body == b"hinted\n"


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_trailers_are_passed_on(curl: Curl, version: str) -> None:
    # curl shows trailers where it shows the head.
    answer = curl("/trailers", version, "-H", "TE: trailers")
    assert answer.heads.lower().count("x-digest: ") == 1, answer.heads
    assert len(answer.body) == 64


@pytest.mark.parametrize("code", [204, 304])
@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_answers_without_a_body_end_with_their_head(
    curl: Curl, code: int, version: list[str], proto: str
) -> None:
    answer = curl(f"/status/{code}", *version)
    assert answer.heads.split()[1] == str(code)
    assert answer.body == b""
    assert "transfer-encoding" not in answer.heads.lower()
