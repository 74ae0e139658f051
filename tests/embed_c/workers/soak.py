"""What the soak calls: one function that does all that a program's functions do, by the path."""

import asyncio
import gc
import sys

SHARED = {"X-Shared": ["one", "two"], "Content-Type": ["text/plain; charset=utf-8"]}


class Refused(Exception):
    pass


def answer(method, path, params, query, headers, body):
    if path == "/shared":
        return 200, body, SHARED
    if path == "/fresh":
        return 200, f"{body!r}{params}{query}", {n: list(v) for n, v in headers.items()}
    if path == "/bytes":
        return 200, body.encode("utf-8", "surrogateescape"), {"X-Many": [str(n) for n in range(8)]}
    if path == "/raise":
        raise Refused(body)
    if path == "/exit":
        sys.exit(body)
    if path == "/wrong":
        return headers
    if path == "/collect":
        return 200, str(gc.collect()), {}
    raise AssertionError(path)


async def later(method, path, params, query, headers, body):
    await asyncio.sleep(0)
    if path == "/raise":
        raise Refused(body)
    return 200, body, SHARED
