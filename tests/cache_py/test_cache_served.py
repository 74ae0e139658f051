"""The cache behind the server: in handlers on threads, on the server's loop, and on the reactor."""

from __future__ import annotations

import json
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oxbridge import Mux, Request, ResponseWriter, cache
from oxbridge.testing import serve as serve_here
from serving import Serve

APPLICATION = """
import asyncio
import json

from oxbridge import cache

loops = set()
calls = 0


async def load(key):
    global calls
    calls += 1
    loops.add(asyncio.get_running_loop())
    await asyncio.sleep(0.05)
    return key.upper()


words = cache.Instance().group("words", load, serializer="str")


@cache.cached
async def twice(word):
    return await words.aget(word) * 2


async def app(scope, receive, send):
    assert scope["type"] == "http"
    word = scope["path"].strip("/")
    if word == "numbers":
        body = json.dumps({"calls": calls, "loops": len(loops)})
    else:
        body = await twice(word)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})
"""


def read(url: str) -> str:
    """Ask once."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        body: bytes = answer.read()
    return body.decode()


def test_on_the_reactor(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text(APPLICATION)
    command = [
        sys.executable,
        "-m",
        "oxbridge",
        "serve",
        "words:app",
        "--port",
        "0",
        "--lifespan",
        "off",
    ]
    served = serve(*command, cwd=tmp_path)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(read, [f"{served.url}/abc", f"{served.url}/de"] * 20))
    assert answers == ["ABCABC", "DEDE"] * 20
    # All of it on the one loop of the server.
    assert json.loads(read(f"{served.url}/numbers")) == {"calls": 2, "loops": 1}


def test_handlers_on_threads_and_coroutines_share_loads() -> None:
    calls: list[str] = []

    def load(key: str) -> bytes:
        calls.append(key)
        return key.encode()

    with cache.Instance() as instance:
        group = instance.group("g", load)

        def plain(w: ResponseWriter, req: Request) -> None:
            w.write(group.get(req.path_value("key") or ""))

        async def coroutine(w: ResponseWriter, req: Request) -> None:
            w.write(await group.aget(req.path_value("key") or ""))

        mux = Mux()
        mux.handle("/plain/{key}", plain)
        mux.handle("/coroutine/{key}", coroutine)
        with serve_here(mux) as client, ThreadPoolExecutor(16) as pool:
            paths = [f"/{kind}/{n % 10}" for kind in ("plain", "coroutine") for n in range(60)]
            answers = list(pool.map(lambda path: client.get(path).text, paths))
        assert answers == [path[-1] for path in paths]
        assert sorted(calls) == [str(n) for n in range(10)]
