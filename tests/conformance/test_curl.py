"""curl sends to the server: every method, version and way of sending that it has."""

from __future__ import annotations

import gzip
import hashlib
import random
import subprocess
from pathlib import Path

import pytest
from application import parsed
from curl import MIB, QUIET, VERSIONS, Curl

pytestmark = pytest.mark.needs("curl")


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Eight MiB that do not compress, and that hold every byte."""
    path = tmp_path / "big"
    path.write_bytes(random.Random(2).randbytes(8 * MIB))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Where TLS is spoken: how curl is told, and what must come of it

OVER_TLS = [
    pytest.param(["--http1.0"], "HTTP/1.0", "http/1.0", id="HTTP/1.0"),
    pytest.param(["--http1.1"], "HTTP/1.1", "http/1.1", id="HTTP/1.1"),
    pytest.param(["--http2"], "HTTP/2.0", "h2", id="HTTP/2"),
    pytest.param(["--no-alpn"], "HTTP/1.1", None, id="no-ALPN"),
    pytest.param(["--http2", "--tls-max", "1.2"], "HTTP/2.0", "h2", id="HTTP/2-TLS-1.2"),
]


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_a_request_in_each_version(curl: Curl, version: list[str], proto: str) -> None:
    told = curl("/inspect?a=b", *version, "-H", "X-Sent: yes").told()
    assert (told["method"], told["url"], told["proto"]) == ("GET", "/inspect?a=b", proto)
    assert (told["scheme"], told["alpn"]) == ("http", None)
    assert told["headers"]["x-sent"] == "yes"
    assert told["host"] == f"127.0.0.1:{curl.application.port}"


@pytest.mark.parametrize(("version", "proto", "alpn"), OVER_TLS)
def test_a_request_in_each_version_over_tls(
    curl: Curl, version: list[str], proto: str, alpn: str | None
) -> None:
    authority = curl.application.keys.authority
    url = f"https://localhost:{curl.application.tls_port}/inspect"
    answer = curl(url, *version, "--cacert", authority, "--ipv4")
    told = answer.told()
    assert (told["proto"], told["scheme"]) == (proto, "https")
    assert told["alpn"] == alpn
    assert told["host"] == f"localhost:{curl.application.tls_port}"


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_each_method_with_a_body(curl: Curl, method: str, version: list[str], proto: str) -> None:
    told = curl("/inspect", *version, "-X", method, "--data-binary", "a body").told()
    assert (told["method"], told["proto"], told["length"]) == (method, proto, 6)
    assert told["sha256"] == hashlib.sha256(b"a body").hexdigest()


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_head_has_the_fields_of_get_and_no_body(curl: Curl, version: list[str], proto: str) -> None:
    answer = curl("/files/big.bin", *version, "--head")
    assert "content-length: 300000\r\n" in answer.heads.lower()
    # With --head curl writes the head where the body would go.
    assert answer.body.decode("latin-1") == answer.heads
    assert "content-type: application/octet-stream\r\n" in answer.heads.lower()


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_a_method_that_is_not_routed_is_told_the_ones_that_are(
    curl: Curl, version: list[str], proto: str
) -> None:
    answer = curl("/hello/you", *version, "-X", "OPTIONS")
    assert answer.heads.split()[1] == "405"
    assert "\r\nallow: get, head\r\n" in answer.heads.lower()


def test_options_of_the_whole_server(curl: Curl) -> None:
    answer = curl("/", "-X", "OPTIONS", "--request-target", "*")
    assert answer.heads.split()[1] in ("200", "204")


# Sending


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_an_upload_arrives_whole(curl: Curl, big: Path, version: list[str], proto: str) -> None:
    told = curl("/inspect", *version, "-T", big).told()
    assert (told["method"], told["length"], told["sha256"]) == ("PUT", 8 * MIB, digest(big))
    assert told["headers"]["content-length"] == str(8 * MIB)


@pytest.mark.parametrize("version", [["--http1.1"], ["--http2-prior-knowledge"]])
def test_an_upload_of_unknown_length_arrives_whole(
    curl: Curl, big: Path, version: list[str]
) -> None:
    # What comes from a pipe has no length: chunked in HTTP/1.1.
    with big.open("rb") as source:
        done = subprocess.run(
            [curl.path, *QUIET, *version, "-T", "-", f"{curl.application.url}/inspect"],
            stdin=source,
            capture_output=True,
            timeout=90,
            check=True,
        )
    told = parsed(done.stdout)
    assert (told["length"], told["sha256"]) == (8 * MIB, digest(big))
    assert "content-length" not in told["headers"]
    assert (told["headers"].get("transfer-encoding") == "chunked") == (version == ["--http1.1"])


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_what_is_sent_comes_back_while_it_is_sent(
    curl: Curl, big: Path, version: list[str], proto: str
) -> None:
    assert curl("/echo", *version, "--data-binary", f"@{big}").body == big.read_bytes()


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_a_form_with_files(curl: Curl, big: Path, version: list[str], proto: str) -> None:
    parts = curl(
        "/form",
        *version,
        *("-F", "text=some täxt"),
        *("-F", f"file=@{big};type=image/png;filename=a picture.png"),
        *("-F", f"file=@{curl.application.files / 'empty.txt'}"),
    ).told()
    assert [part["name"] for part in parts] == ["text", "file", "file"]
    text, picture, empty = parts
    assert (text["filename"], text["length"]) == (None, len("some täxt".encode()))
    assert (picture["filename"], picture["type"]) == ("a picture.png", "image/png")
    assert (picture["length"], picture["sha256"]) == (8 * MIB, digest(big))
    assert (empty["filename"], empty["length"]) == ("empty.txt", 0)


def test_an_urlencoded_form(curl: Curl) -> None:
    answer = curl(
        "/fields?from=query",
        "-d",
        "plain=one",
        "--data-urlencode",
        "odd=ä b&c=d+%",
        "-d",
        "plain=two",
    )
    assert sorted(map(tuple, answer.told())) == sorted(
        [("from", "query"), ("plain", "one"), ("odd", "ä b&c=d+%"), ("plain", "two")]
    )


def test_a_client_that_expects_100_gets_it_when_the_body_is_wanted(curl: Curl, big: Path) -> None:
    answer = curl(
        *("/inspect", "--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", "60"),
        *("--data-binary", f"@{big}"),
    )
    assert answer.heads.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert answer.told()["sha256"] == digest(big)


def test_a_client_that_expects_100_gets_the_answer_at_once_when_nobody_reads(
    curl: Curl, big: Path
) -> None:
    # Until the bound of --expect100-timeout no byte of the body is sent unless the server asks.
    answer = curl(
        *("/ignore", "--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", "60"),
        *("--data-binary", f"@{big}"),
    )
    assert answer.heads.startswith("HTTP/1.1 200 OK\r\n")
    assert answer.body == b"ignored\n"


def test_a_request_that_is_not_routed_is_not_asked_for_its_body(curl: Curl, big: Path) -> None:
    answer = curl(
        *("/hello/you", "--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", "60"),
        *("--data-binary", f"@{big}"),
    )
    assert answer.heads.startswith("HTTP/1.1 405 Method Not Allowed\r\n")


# In HTTP/2 curl 7.88 takes the RST_STREAM of RFC 9113 §8.1 for a failure, from any server.
@pytest.mark.parametrize("version", [["--http1.0"], ["--http1.1"], ["--http2"]])
def test_a_body_that_nobody_reads_harms_nothing(curl: Curl, big: Path, version: list[str]) -> None:
    """A client that sends on although the answer is there still gets the answer."""
    answer = curl("/ignore", *version, "-H", "Expect:", "--data-binary", f"@{big}")
    assert answer.body == b"ignored\n"


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_compressed_bytes_are_left_alone(
    curl: Curl, tmp_path: Path, version: list[str], proto: str
) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(b"text " * 10_000))
    answer = curl(
        *("/echo", *version, "-H", "Content-Encoding: gzip", "-H", "Content-Type: text/plain"),
        *("--data-binary", f"@{packed}"),
    )
    assert answer.body == packed.read_bytes()
    assert "content-encoding" not in answer.heads.lower()
    # Nor is an answer packed that may be.
    answer = curl("/bytes/6400", *version, "-H", "Accept-Encoding: gzip, br, zstd")
    assert len(answer.body) == 6400


def test_a_slow_upload_stays_whole(curl: Curl, big: Path) -> None:
    part = big.with_name("part")
    part.write_bytes(big.read_bytes()[: 2 * MIB])
    answer = curl("/echo", "--limit-rate", "1M", "--data-binary", f"@{part}")
    assert answer.body == part.read_bytes()


def test_cookies_are_kept_and_sent_back(curl: Curl, tmp_path: Path) -> None:
    jar = tmp_path / "jar"
    curl("/cookies/set", "--cookie-jar", jar)
    assert curl("/inspect", "--cookie", jar).told()["cookies"] == {"plain": "one", "lasting": "two"}
    curl("/cookies/unset", "--cookie", jar, "--cookie-jar", jar)
    assert curl("/inspect", "--cookie", jar).told()["cookies"] == {"lasting": "two"}


# Connections


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("over", ["cleartext", "TLS"])
def test_one_connection_serves_many_requests(curl: Curl, over: str, version: str) -> None:
    url = curl.application.url if over == "cleartext" else curl.application.tls_url
    more = [f"{url}/hello", f"{url}/hello/a", f"{url}/hello"]
    log = curl(f"{url}/hello", version, "--cacert", curl.application.keys.authority, *more).log
    assert log.count("Re-using existing connection") == 3
    assert log.count("Connected to 127.0.0.1") == 1


def test_http_1_0_keeps_a_connection_that_it_is_asked_to_keep(curl: Curl) -> None:
    url = curl.application.url
    log = curl("/hello", "--http1.0", "-H", "Connection: keep-alive", f"{url}/hello").log
    assert log.count("Connected to 127.0.0.1") == 1


def test_a_connection_is_closed_where_the_client_asks_for_it(curl: Curl) -> None:
    answer = curl("/hello", "--http1.1", "-H", "Connection: close")
    assert "\r\nconnection: close\r\n" in answer.heads.lower()
    assert "Closing connection" in answer.log


@pytest.mark.parametrize(("version", "proto"), VERSIONS)
def test_a_unix_socket(curl: Curl, version: list[str], proto: str) -> None:
    told = curl(
        "http://somebody/inspect", *version, "--unix-socket", curl.application.socket
    ).told()
    assert (told["proto"], told["host"]) == (proto, "somebody")


# Certificates


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_client_certificate_is_asked_for_and_taken(curl: Curl, version: str) -> None:
    keys = curl.application.keys
    url = f"{curl.application.mutual_url}/inspect"
    shown = ["--cert", str(keys.client_chain), "--key", str(keys.client_key)]
    told = curl(url, version, "--cacert", keys.authority, *shown).told()
    assert told["client"] is True
    # Without one: curl's exit codes for a handshake, a send or a receive that failed.
    with pytest.raises(AssertionError, match=r"curl ended with (35|55|56|16|92)\b"):
        curl(url, version, "--cacert", keys.authority)


def test_a_certificate_of_an_unknown_authority_is_refused_by_the_client(curl: Curl) -> None:
    # 60: the server's certificate was not accepted. The server must bear clients that go there.
    curl(f"{curl.application.tls_url}/hello", fails=60)
    curl("/hello")


def test_cleartext_on_a_tls_port_and_tls_on_a_cleartext_port(curl: Curl) -> None:
    # 1: what comes is no HTTP, but a TLS alert; 35: what comes is no TLS, but a 400.
    curl(f"http://127.0.0.1:{curl.application.tls_port}/hello", fails=1)
    curl(f"https://127.0.0.1:{curl.application.port}/hello", fails=35)
    assert curl("/hello").body == b"hello\n"
