"""What the C programs of the suite call."""

import asyncio
import ctypes
import os
import sys
import threading

from oxbridge import embed

HEADERS = {"X-Shared": ["one", "two"], "Content-Type": ["text/plain"]}
GATE = threading.Event()
LOCAL = threading.local()
FREED = threading.Event()
began = threading.Event()
left = threading.Event()


class Refused(Exception):
    pass


class Site:
    @staticmethod
    def answer(method, path, params, query, headers, body):
        return 200, "of a class", {}


def routes():
    return {"/": ["GET"], "/hello/:target": ["GET", "POST"], "/n\u00fcll": []}


def no_routes():
    return ["/"]


def fails_at_once():
    raise LookupError("not today")


def echo(method, path, params, query, headers, body):
    return 200, repr((method, path, params, query, headers, body)), {"X-Kind": type(body).__name__}


def back(method, path, params, query, headers, body):
    return 201, body, {"X-Length": [str(len(body))]}


def shared(method, path, params, query, headers, body):
    return 200, "", HEADERS


def large(method, path, params, query, headers, body):
    return 200, b"x" * (2 << 20), {}


def argv(method, path, params, query, headers, body):
    return 200, repr(sys.argv), {}


def raises(method, path, params, query, headers, body):
    if path == "/exit":
        sys.exit(3)
    if path == "/nul":
        raise ValueError("a\0b")
    try:
        raise KeyError(path)
    except KeyError as e:
        raise Refused("no \u00fcmlaut") from e


def wrong(method, path, params, query, headers, body):
    return {"/none": None, "/status": (99, "", {}), "/field": (200, "", {"A B": "1"})}[path]


def gate(method, path, params, query, headers, body):
    if path == "/open":
        GATE.set()
        return 200, "open", {}
    if path == "/close":
        GATE.clear()
        return 200, "closed", {}
    GATE.wait()
    return 200, path, {}


def leaves(method, path, params, query, headers, body):
    if path == "/began":
        return 200, str(began.wait(20)), {}
    if path == "/asks":
        return 200, str(left.wait(20)), {}
    began.set()
    if embed.wait_cancelled(20):
        left.set()
    return 200, "nobody reads this", {}


async def later(method, path, params, query, headers, body):
    await asyncio.sleep(0)
    if path == "/never":
        await asyncio.Event().wait()
    return 200, f"later {path}", {}


def counts(method, path, params, query, headers, body):
    LOCAL.count = getattr(LOCAL, "count", 0) + 1
    return 200, str(LOCAL.count), {}


def breaks_a_pipe(method, path, params, query, headers, body):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        os.write(writer, b"x")
    finally:
        os.close(writer)


def calls_back(method, path, params, query, headers, body):
    """Stop or free what has called this: by a function that gives Python up, or keeps it."""
    library = (ctypes.PyDLL if headers["X-Keeps"] == ["1"] else ctypes.CDLL)(None)
    python = ctypes.c_void_p(int(body))
    if path == "/stop":
        return 200, str(library.oxe_python_stop(python, ctypes.c_uint64(0))), {}
    library.oxe_python_free(python)
    FREED.set()
    return 200, "", {}


def waits_for_freed(method, path, params, query, headers, body):
    freed = FREED.wait(20)
    FREED.clear()
    return 200, str(freed), {}


not_callable = "a text"
