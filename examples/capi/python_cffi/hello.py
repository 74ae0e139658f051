"""A small server in Python by cffi's ABI mode, which needs no compiler: see ../README.md.

The library never calls Python here. Threads of Python's own take exchanges out of its queue, many
with one call, so that no thread of the library has to be made known to the interpreter.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cffi  # type: ignore[import-untyped]

PLAIN = "text/plain; charset=utf-8"
THREADS = 32
BATCH = 16


def declarations(header: str) -> str:
    """Reduce oxbridge.h to what cffi reads: its types, functions and plain constants.

    cffi parses C without a preprocessor. The header uses one for what it includes (cffi knows those
    types), for what is meant for C++ alone, and for macros with a value.
    """
    header = re.sub(r"/\*.*?\*/|//[^\n]*", "", header, flags=re.DOTALL)
    kept: list[str] = []
    # For each #if around the line: whether its text is for us.
    conditions: list[bool] = []
    for line in header.replace("\\\n", " ").splitlines():
        directive = re.match(r"\s*#\s*(\w+)\s*(.*)", line)
        if directive is None:
            if all(conditions):
                kept.append(line)
            continue
        word, rest = directive.groups()
        if word.startswith("if"):
            conditions.append(word == "ifndef" or "__cplusplus" not in rest)
        elif word == "else":
            conditions[-1] = not conditions[-1]
        elif word == "endif":
            conditions.pop()
        elif word == "define" and all(conditions) and re.fullmatch(r"\w+\s+-?\d+", rest.strip()):
            kept.append(line)
    # Functions with a body are for C alone.
    return re.sub(r"static\s+inline[^{]*\{.*?\n\}", "", "\n".join(kept), flags=re.DOTALL)


def installed_header() -> str:
    """Text of the header that pkg-config knows."""
    place = subprocess.run(
        ["pkg-config", "--variable=includedir", "oxbridge"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    return Path(place, "oxbridge.h").read_text("utf-8")


ffi = cffi.FFI()
ffi.cdef(declarations(installed_header()))
lib: Any = ffi.dlopen(os.environ.get("OXBRIDGE_LIBRARY", "liboxbridge.so.1"))


class Failure(Exception):
    """A call did not work out."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message or ffi.string(lib.oxb_strerror(status)).decode())
        self.status = status


def check(status: int, error: Any = None) -> None:
    if status == lib.OXB_OK:
        return
    message = ""
    if error is not None and error[0]:
        message = ffi.string(lib.oxb_error_message(error[0])).decode()
        lib.oxb_error_free(error[0])
    raise Failure(status, message)


def lent(data: Any) -> Any:
    """Lend what ffi.from_buffer made to a call that copies it; the caller keeps it so long."""
    return ffi.new("oxb_bytes *", {"data": data, "len": len(data)})[0]


def copied(data: Any) -> bytes:
    """Copy bytes that are only borrowed from the library."""
    return bytes(ffi.buffer(data.data, data.len)) if data.len else b""


class Exchange:
    """One request and the answer that it is owed. Any thread may answer it, once."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def path_value(self, name: str) -> str:
        wanted, out = ffi.from_buffer("uint8_t[]", name.encode()), ffi.new("oxb_bytes *")
        check(lib.oxb_request_path_value(self.handle, lent(wanted), out))
        return copied(out).decode(errors="replace")

    def body(self) -> bytes:
        out = ffi.new("oxb_bytes *")
        check(lib.oxb_request_body(self.handle, out))
        return copied(out)

    def reply(self, status: int, content_type: str, body: str) -> None:
        # What can fail here is that the client has gone, and then there is nobody left to tell.
        data = ffi.from_buffer("uint8_t[]", body.encode())
        lib.oxb_exchange_reply(self.handle, status, content_type.encode(), lent(data))

    def refuse(self, status: int) -> None:
        lib.oxb_exchange_refuse(self.handle, status)

    def abort(self) -> None:
        lib.oxb_exchange_abort(self.handle)


class Server:
    """A server whose handlers run on threads that Python started."""

    def __init__(self, address: str, routes: Mapping[str, Callable[[Exchange], None]]) -> None:
        check(lib.oxb_abi_check(lib.OXB_ABI))
        config, server = ffi.new("oxb_config **"), ffi.new("oxb_server **")
        error = ffi.new("oxb_error **")
        check(lib.oxb_config_new(config))
        check(lib.oxb_config_listen(config[0], address.encode(), error), error)
        # An event carries the handle of its route's handler; the handle lives as long as this list.
        self._handles = []
        for pattern, handler in routes.items():
            handle = ffi.new_handle(handler)
            self._handles.append(handle)
            added = lib.oxb_config_handle_queue(
                config[0], pattern.encode(), handle, ffi.NULL, error
            )
            check(added, error)
        check(lib.oxb_server_start(config[0], server, error), error)
        self._server = server[0]
        self._threads = [threading.Thread(target=self._serve) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    @property
    def url(self) -> str:
        out = ffi.new("oxb_bytes *")
        check(lib.oxb_server_url(self._server, out))
        return copied(out).decode()

    def begin_stop(self, grace: float) -> None:
        check(lib.oxb_server_begin_stop(self._server, int(grace * 1000)))

    def close(self) -> None:
        """Wait until the server has stopped, then free it."""
        for thread in self._threads:
            thread.join()
        lib.oxb_server_free(self._server)

    def _serve(self) -> None:
        events, count = ffi.new("oxb_event[]", BATCH), ffi.new("size_t *")
        while True:
            # cffi gives up the GIL for the time of the call.
            status = lib.oxb_server_next(self._server, events, BATCH, -1, count)
            if status == lib.OXB_ERR_STOPPED:
                return
            check(status)
            for event in events[0 : count[0]]:
                x = Exchange(event.exchange)
                try:
                    ffi.from_handle(event.user_data)(x)
                except Exception:
                    traceback.print_exc()
                    x.abort()


# The program

waiting: list[Exchange] = []
"""Requests that GET /later has taken and nobody has answered yet."""
lock = threading.Lock()


def hello(x: Exchange) -> None:
    x.reply(200, PLAIN, "Hello, world.\n")


def hello_name(x: Exchange) -> None:
    x.reply(200, PLAIN, f"Hello, {x.path_value('name')}!\n")


def echo(x: Exchange) -> None:
    try:
        value = json.loads(x.body())
    except Failure as error:
        x.refuse(413 if error.status == lib.OXB_ERR_TOO_LARGE else 400)
    except (ValueError, RecursionError) as error:
        x.reply(400, PLAIN, f"The body is not JSON: {error}.\n")
    else:
        x.reply(200, "application/json", json.dumps(value))


def later(x: Exchange) -> None:
    with lock:
        waiting.append(x)


def release_all() -> int:
    """Answer all that wait, from whatever thread calls it; tell how many there were."""
    with lock:
        released = waiting.copy()
        waiting.clear()
    for x in released:
        x.reply(200, PLAIN, "Here it is, later.\n")
    return len(released)


def release(x: Exchange) -> None:
    x.reply(200, PLAIN, f"{release_all()} released\n")


def main() -> None:
    # Blocked before any thread starts, and taken by sigwait on this one.
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    routes = {
        "GET /{$}": hello,
        "GET /hello/{name}": hello_name,
        "POST /echo": echo,
        "GET /later": later,
        "GET /release": release,
    }
    address = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '5000')}"
    try:
        server = Server(address, routes)
    except Failure as error:
        sys.exit(f"hello: {error}")
    print("Serving on", server.url, file=sys.stderr, flush=True)
    signal.sigwait(stop)
    # No new requests from here on; those that wait get their answer, and all get time to end.
    server.begin_stop(5)
    release_all()
    server.close()


if __name__ == "__main__":
    main()
