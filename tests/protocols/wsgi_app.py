"""A WSGI application whose paths each do one thing that PEP 3333 speaks of."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs
from wsgiref.validate import validator

Environ = dict[str, Any]
Start = Callable[..., Callable[[bytes], object]]

TEXT = [("Content-Type", "text/plain")]

closed: dict[str, int] = {}
"""How often the iterable that a client named was closed."""
changed = threading.Condition()

released = threading.Semaphore(0)
held = threading.Barrier(21)


class Counted:
    """An iterable that counts how often it is closed, under the name given in the query."""

    def __init__(self, environ: Environ, pieces: Iterable[bytes]) -> None:
        self.name = environ["QUERY_STRING"]
        self.pieces = iter(pieces)

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces

    def close(self) -> None:
        with changed:
            closed[self.name] = closed.get(self.name, 0) + 1
            changed.notify_all()


def count_closed(environ: Environ, start: Start) -> Iterable[bytes]:
    """Wait until the iterable of that name was closed, and tell how often."""
    with changed:
        changed.wait_for(lambda: environ["QUERY_STRING"] in closed, 20)
        return answer(start, closed.get(environ["QUERY_STRING"], 0))


def answer(start: Start, value: object) -> list[bytes]:
    body = json.dumps(value).encode()
    length = ("Content-Length", str(len(body)))
    start("200 OK", [("Content-Type", "application/json"), length])
    return [body]


def environ_told(environ: Environ, start: Start) -> Iterable[bytes]:
    """All that is a string or a number, the types of the rest."""
    told = {
        name: value if isinstance(value, (str, int, bool, tuple)) else f"<{type(value).__name__}>"
        for name, value in environ.items()
    }
    kinds = {"environ": type(environ).__name__}
    bad = [
        name
        for name, value in environ.items()
        if type(name) is not str or (name.isupper() and type(value) is not str)
    ]
    return answer(start, {"environ": told, "kinds": kinds, "bad": bad})


def read(environ: Environ, start: Start) -> Iterable[bytes]:
    """Carry out calls of wsgi.input that the query names: `call=read&call=read 5`."""
    stream = environ["wsgi.input"]
    told: list[object] = []
    for call in parse_qs(environ["QUERY_STRING"])["call"]:
        name, *arguments = call.split()
        if name == "iterate":
            value = [line.decode("latin-1") for line in stream]
        else:
            value = getattr(stream, name)(*(int(argument) for argument in arguments))
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        elif isinstance(value, list):
            value = [line.decode("latin-1") if isinstance(line, bytes) else line for line in value]
        told.append(value)
    return answer(start, told)


def count_input(environ: Environ, start: Start) -> Iterable[bytes]:
    total = 0
    while piece := environ["wsgi.input"].read(65536):
        total += len(piece)
    return answer(start, total)


def written(environ: Environ, start: Start) -> Iterable[bytes]:
    write = start("200 OK", TEXT)
    write(b"one ")
    write(b"two ")
    return [b"three"]


def written_only(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)(b"all of it")
    return []


def exc_info_before(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [*TEXT, ("X-First", "yes")])
    try:
        raise ValueError("thought better of")
    except ValueError:
        start("503 Later", [*TEXT, ("X-Second", "yes")], sys.exc_info())
    return [b"second"]


def exc_info_after(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", TEXT)
    yield b"begun"
    try:
        raise ValueError("too late to change")
    except ValueError:
        start("500 Too late", TEXT, sys.exc_info())
    yield b"never sent"


def twice(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    try:
        start("200 OK", TEXT)
    except Exception as error:
        return [type(error).__name__.encode()]
    return [b"nothing was raised"]


def late_start(environ: Environ, start: Start) -> Iterator[bytes]:
    start("201 Late", [*TEXT, ("X-Late", "yes")])
    yield b"late"


def empty_pieces(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", TEXT)
    yield from (b"", b"", b"a", b"", b"b", b"")


def never_started(environ: Environ, start: Start) -> Iterable[bytes]:
    return [b"who knows what this is"]


def started_after_a_piece(environ: Environ, start: Start) -> Iterator[bytes]:
    yield b"piece"
    start("200 OK", TEXT)


def raises(environ: Environ, start: Start) -> Iterable[bytes]:
    raise RuntimeError("meant to fail before")


def raises_midway(environ: Environ, start: Start) -> Iterable[bytes]:
    def pieces() -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("meant to fail midway")

    start("200 OK", TEXT)
    return Counted(environ, pieces())


def raises_first(environ: Environ, start: Start) -> Iterable[bytes]:
    def pieces() -> Iterator[bytes]:
        raise RuntimeError("meant to fail first")
        yield b""

    start("200 OK", TEXT)
    return Counted(environ, pieces())


def normal(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    return Counted(environ, [b"a", b"b"])


def not_modified(environ: Environ, start: Start) -> Iterable[bytes]:
    start("304 Not Modified", [("ETag", '"1"')])
    return Counted(environ, [])


def endless(environ: Environ, start: Start) -> Iterable[bytes]:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b"x" * 4096

    start("200 OK", TEXT)
    return Counted(environ, pieces())


def pieces_on_demand(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", TEXT)
    yield b"first\n"
    released.acquire(timeout=20)
    yield b"second\n"


def release(environ: Environ, start: Start) -> Iterable[bytes]:
    released.release()
    return answer(start, True)


def content_length(environ: Environ, start: Start) -> Iterable[bytes]:
    """Declare 5 bytes and give as many as the query says."""
    start("200 OK", [*TEXT, ("Content-Length", "5")])
    return Counted(environ, [b"x"] * int(environ["QUERY_STRING"].partition("-")[0]))


def one_piece(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", TEXT)
    return [b"known length"]


def headers(environ: Environ, start: Start) -> Iterable[bytes]:
    start(
        "200 OK",
        [*TEXT, ("X-Many", "1"), ("X-Many", "2"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        + [("X-Latin", "caf\xe9"), ("X-Empty", "")],
    )
    return [b"headers"]


def status(environ: Environ, start: Start) -> Iterable[bytes]:
    start(environ["QUERY_STRING"].replace("+", " "), TEXT)
    return [b"status"]


BAD_STARTS: dict[str, tuple[object, object]] = {
    "connection": ("200 OK", [("Connection", "close")]),
    "transfer-encoding": ("200 OK", [("Transfer-Encoding", "chunked")]),
    "keep-alive": ("200 OK", [("Keep-Alive", "5")]),
    "upgrade": ("200 OK", [("Upgrade", "websocket")]),
    "line-feed": ("200 OK", [("X-Bad", "a\nSet-Cookie: b=1")]),
    "carriage-return": ("200 OK", [("X-Bad", "a\rb")]),
    "name-colon": ("200 OK", [("X-Bad:", "a")]),
    "name-empty": ("200 OK", [("", "a")]),
    "name-space": ("200 OK", [("X Bad", "a")]),
    "not-latin-1": ("200 OK", [("X-Bad", "世界")]),
    "bytes": ("200 OK", [(b"X-Bad", b"a")]),
    "number": ("200 OK", [("X-Bad", 1)]),
    "status-words": ("fine", []),
    "status-line-feed": ("200 OK\r\nX-Bad: a", []),
    "status-number": (200, []),
    "status-informational": ("100 Continue", []),
}


def bad_start(environ: Environ, start: Start) -> Iterable[bytes]:
    """Make a call that must be refused there and then; tell with what."""
    bad_status, bad_headers = BAD_STARTS[environ["QUERY_STRING"]]
    try:
        start(bad_status, bad_headers)
    except Exception:
        told = type(sys.exc_info()[1]).__name__
        start("200 OK", TEXT, sys.exc_info())
        return [told.encode()]
    return [b"nothing was raised"]


def not_bytes(environ: Environ, start: Start) -> Iterable[object]:
    start("200 OK", TEXT)
    return ["a str is no body"]


def hold(environ: Environ, start: Start) -> Iterable[bytes]:
    """Wait until there are as many as the barrier holds."""
    held.wait(20)
    return answer(start, threading.get_ident())


def errors(environ: Environ, start: Start) -> Iterable[bytes]:
    stream = environ["wsgi.errors"]
    stream.write("written to wsgi.errors: grüße\n")
    stream.writelines(["one ", "two\n"])
    stream.flush()
    return answer(start, True)


# Files

DATA = bytes(range(256)) * 4096


class Noted(io.BytesIO):
    """A file in memory that counts its closing."""

    def __init__(self, name: str) -> None:
        super().__init__(DATA)
        self.noted = name

    def close(self) -> None:
        if not self.closed:
            with changed:
                closed[self.noted] = closed.get(self.noted, 0) + 1
                changed.notify_all()
        super().close()


class NotedFile:
    """A real file that counts its closing and has a descriptor."""

    def __init__(self, name: str) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115
        self.file.write(DATA)
        self.file.seek(0)
        self.noted = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def close(self) -> None:
        self.file.close()
        with changed:
            closed[self.noted] = closed.get(self.noted, 0) + 1
            changed.notify_all()


def file(environ: Environ, start: Start) -> Iterable[bytes]:
    """`kind,offset,declared,name`: an offset to begin at, a Content-Length or none."""
    kind, offset, declared, name = environ["QUERY_STRING"].split(",")
    headers = [("Content-Type", "application/octet-stream")]
    if declared:
        headers.append(("Content-Length", declared))
    opened: Any = {"real": NotedFile, "memory": Noted}[kind](name)
    opened.seek(int(offset))
    start("200 OK", headers)
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened, 4096)
    return wrapped


kept: list[Environ] = []


def keep(environ: Environ, start: Start) -> Iterable[bytes]:
    """Read nothing of the body, and keep it, as objects that refer to each other do."""
    kept.append(environ)
    return answer(start, "kept")


def plain(environ: Environ, start: Start) -> Iterable[bytes]:
    """What the validator is wrapped around: reads a body, answers it."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body] if body else []


PATHS: dict[str, Callable[[Environ, Start], Any]] = {
    "/environ": environ_told,
    "/closed": count_closed,
    "/read": read,
    "/count": count_input,
    "/write": written,
    "/write/only": written_only,
    "/exc_info/before": exc_info_before,
    "/exc_info/after": exc_info_after,
    "/twice": twice,
    "/late": late_start,
    "/empty-pieces": empty_pieces,
    "/never": never_started,
    "/after-a-piece": started_after_a_piece,
    "/raise": raises,
    "/raise/midway": raises_midway,
    "/raise/first": raises_first,
    "/normal": normal,
    "/not-modified": not_modified,
    "/endless": endless,
    "/on-demand": pieces_on_demand,
    "/release": release,
    "/content-length": content_length,
    "/one-piece": one_piece,
    "/headers": headers,
    "/status": status,
    "/bad-start": bad_start,
    "/not-bytes": not_bytes,
    "/hold": hold,
    "/errors": errors,
    "/file": file,
    "/keep": keep,
}


def app(environ: Environ, start: Start) -> Any:
    """Answer by the first part of the path that is known."""
    path = environ["PATH_INFO"]
    return (PATHS.get(path) or environ_told)(environ, start)


validated = validator(plain)
