"""httpx against the server, by HTTP/1.1 and HTTP/2, in cleartext and by TLS, plain and async."""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from application import Application, parsed

MIB = 1024 * 1024

WAYS = ["HTTP/1.1", "HTTP/1.1 over TLS", "HTTP/2", "HTTP/2 over TLS"]


def settings(way: str, application: Application) -> dict[str, Any]:
    """How httpx has to be told to speak this way."""
    trusting = ssl.create_default_context(cafile=str(application.keys.authority))
    return {
        "base_url": application.tls_url if "TLS" in way else application.url,
        "http1": "HTTP/1.1" in way,
        "http2": "HTTP/2" in way,
        "verify": trusting,
        "timeout": 30,
        # Proxies of the environment would come between.
        "trust_env": False,
    }


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(way: str, application: Application) -> Iterator[httpx.Client]:
    with httpx.Client(**settings(way, application)) as client:
        yield client


def proto(way: str) -> str:
    """What the server calls the version."""
    return "HTTP/2.0" if "HTTP/2" in way else "HTTP/1.1"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_each_method(client: httpx.Client, way: str, method: str) -> None:
    answer = client.request(method, "/inspect", params={"a": "ä b"}, headers={"X-Sent": "yes"})
    assert answer.status_code == 200
    assert answer.http_version == proto(way).removesuffix(".0")
    told = parsed(answer.content)
    assert (told["method"], told["proto"]) == (method, proto(way))
    assert told["url"] == "/inspect?a=%C3%A4+b"
    assert told["headers"]["x-sent"] == "yes"
    assert told["host"] == client.base_url.netloc.decode()
    assert told["scheme"] == client.base_url.scheme
    assert told["length"] == 0


def test_head(client: httpx.Client) -> None:
    answer = client.head("/files/big.bin")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "300000"


def test_a_text_answer_names_its_type_and_date(client: httpx.Client) -> None:
    answer = client.get("/hello")
    assert answer.text == "hello\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Date"].endswith(" GMT")
    assert "Connection" not in answer.headers


def test_a_json_body_and_a_form(client: httpx.Client) -> None:
    assert client.post("/echo", json={"ä": [1, None]}).json() == {"ä": [1, None]}
    assert client.post("/fields", data={"a": ["1", "2"], "b": "ä&="}).json() == [
        ["a", "1"],
        ["a", "2"],
        ["b", "ä&="],
    ]


def test_a_multipart_form_with_a_file(client: httpx.Client) -> None:
    data = random.Random(4).randbytes(3 * MIB)
    answer = client.post(
        "/form",
        data={"text": "some täxt"},
        files=[
            ("file", ("a name.bin", data, "application/x-own")),
            ("file", ("empty", b"")),
        ],
    )
    text, file, empty = answer.json()
    assert (text["name"], text["filename"], text["length"]) == ("text", None, 10)
    assert (file["name"], file["filename"], file["type"]) == (
        "file",
        "a name.bin",
        "application/x-own",
    )
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert (empty["filename"], empty["length"]) == ("empty", 0)


def test_cookies_are_kept_and_sent_back(client: httpx.Client) -> None:
    answer = client.get("/cookies/set")
    assert len(answer.headers.get_list("Set-Cookie")) == 3
    assert client.get("/inspect").json()["cookies"] == {"plain": "one", "lasting": "two"}
    client.get("/cookies/unset")
    assert client.get("/inspect").json()["cookies"] == {"lasting": "two"}


def test_redirects_are_followed(client: httpx.Client) -> None:
    answer = client.post("/redirect/3?code=307", content=b"kept", follow_redirects=True)
    assert len(answer.history) == 4
    told = parsed(answer.content)
    assert (told["url"], told["method"], told["length"]) == ("/inspect", "POST", 4)


def test_a_streamed_upload(client: httpx.Client, way: str) -> None:
    pieces = [random.Random(number).randbytes(100_000) for number in range(50)]
    told = parsed(client.post("/inspect", content=iter(pieces)).content)
    assert told["length"] == 5_000_000
    assert told["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert ("transfer-encoding" in told["headers"]) == ("HTTP/1.1" in way)


def test_a_streamed_download(client: httpx.Client) -> None:
    whole = hashlib.sha256()
    with client.stream("GET", f"/bytes/{8 * MIB}") as answer:
        for piece in answer.iter_bytes():
            whole.update(piece)
        assert answer.num_bytes_downloaded == 8 * MIB
    block = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+\n"
    assert whole.hexdigest() == hashlib.sha256(block * (8 * MIB // 64)).hexdigest()


def test_a_download_that_is_given_up_harms_nothing(way: str, application: Application) -> None:
    # httpx resets no HTTP/2 stream that it gives up, it only reads no more: so its connection goes
    # too.
    for _ in range(5):
        with (
            httpx.Client(**settings(way, application)) as client,
            client.stream("GET", f"/bytes/{64 * MIB}") as answer,
        ):
            next(answer.iter_bytes())
    application.settled(exchanges=0)


def test_a_handler_that_fails_is_answered_500(client: httpx.Client) -> None:
    answer = client.get("/fail")
    assert (answer.status_code, answer.reason_phrase) == (500, "Internal Server Error")
    assert "on purpose" not in answer.text
    assert client.get("/hello").text == "hello\n"


def test_a_file_in_ranges(client: httpx.Client, application: Application) -> None:
    whole = application.big.read_bytes()
    parts = [
        client.get("/files/big.bin", headers={"Range": f"bytes={at}-{at + 99_999}"})
        for at in range(0, 300_000, 100_000)
    ]
    assert [part.status_code for part in parts] == [206] * 3
    assert b"".join(part.content for part in parts) == whole


def test_large_header_fields(client: httpx.Client) -> None:
    value = "v" * 30_000
    told = parsed(client.get("/inspect", headers={"X-Large": value}).content)
    assert told["headers"]["x-large"] == value
    answer = client.get("/hello", headers={"X-Large": "v" * 100_000})
    assert answer.status_code == 431


# Many at once


def test_a_hundred_requests_at_once(way: str, application: Application) -> None:
    """All on one connection in HTTP/2; on a hundred in HTTP/1.1."""

    async def one(client: httpx.AsyncClient, number: int) -> None:
        match number % 4:
            case 0:
                assert (await client.get("/pause")).text == "paused\n"
            case 1:
                assert (await client.get(f"/hello/{number}")).text == f"hello, {number}\n"
            case 2:
                body = random.Random(number).randbytes(50_000)
                assert (await client.post("/echo", content=body)).content == body
            case 3:
                assert len((await client.get("/bytes/100000")).content) == 100_000

    async def all_of_them() -> None:
        async with (
            httpx.AsyncClient(
                **settings(way, application), limits=httpx.Limits(max_connections=None)
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            for number in range(100):
                group.create_task(one(client, number))

    asyncio.run(all_of_them())
    application.settled(exchanges=0)


def test_an_async_body_is_sent_and_an_answer_read_piece_by_piece(
    way: str, application: Application
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(20):
            yield bytes([number]) * 10_000

    async def work() -> bytes:
        async with (
            httpx.AsyncClient(**settings(way, application)) as client,
            client.stream("POST", "/echo", content=pieces()) as answer,
        ):
            return b"".join([piece async for piece in answer.aiter_bytes()])

    assert asyncio.run(work()) == b"".join(bytes([number]) * 10_000 for number in range(20))
