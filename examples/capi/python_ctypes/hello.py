"""A small server in Python by ctypes, from the standard library alone: see ../README.md.

What Python code would rather use is the package `oxbridge`; this shows what any program with an FFI
can do, callbacks included.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int32, c_size_t, c_uint16, c_void_p

PLAIN = "text/plain; charset=utf-8"
OK = 0
TOO_LARGE = -8
ABI = 1
FOREVER = 2**64 - 1


class Bytes(ctypes.Structure):
    """Bytes of the library's, or ours while a call lasts. No NUL at the end."""

    _fields_ = (("data", c_void_p), ("len", c_size_t))


exchange_t = ctypes.c_uint64
handler_t = CFUNCTYPE(None, exchange_t, c_void_p)
out_t = POINTER(c_void_p)

lib = ctypes.CDLL(os.environ.get("OXBRIDGE_LIBRARY", "liboxbridge.so.1"))

# Without these, ctypes would pass every integer as an int of 32 bits, and cut handles in half.
for name, result, *arguments in (
    ("oxb_abi_check", c_int32, ctypes.c_uint32),
    ("oxb_strerror", c_char_p, c_int32),
    ("oxb_error_message", c_char_p, c_void_p),
    ("oxb_error_free", None, c_void_p),
    ("oxb_config_new", c_int32, out_t),
    ("oxb_config_listen", c_int32, c_void_p, c_char_p, out_t),
    ("oxb_config_handle", c_int32, c_void_p, c_char_p, handler_t, c_void_p, c_void_p, out_t),
    ("oxb_server_start", c_int32, c_void_p, out_t, out_t),
    ("oxb_server_url", c_int32, c_void_p, POINTER(Bytes)),
    ("oxb_server_begin_stop", c_int32, c_void_p, ctypes.c_uint64),
    ("oxb_server_wait", c_int32, c_void_p, ctypes.c_uint64),
    ("oxb_server_free", None, c_void_p),
    ("oxb_request_path_value", c_int32, exchange_t, Bytes, POINTER(Bytes)),
    ("oxb_request_body", c_int32, exchange_t, POINTER(Bytes)),
    ("oxb_exchange_defer", c_int32, exchange_t),
    ("oxb_exchange_reply", c_int32, exchange_t, c_uint16, c_char_p, Bytes),
    ("oxb_exchange_refuse", c_int32, exchange_t, c_uint16),
    ("oxb_exchange_abort", c_int32, exchange_t),
):
    function = getattr(lib, name)
    function.restype = result
    function.argtypes = arguments


class Failure(Exception):
    """A call did not work out."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message or lib.oxb_strerror(status).decode())
        self.status = status


def check(status: int, error: c_void_p | None = None) -> None:
    if status == OK:
        return
    message = ""
    if error:
        message = lib.oxb_error_message(error).decode()
        lib.oxb_error_free(error)
    raise Failure(status, message)


def lent(data: bytes) -> Bytes:
    """Lend bytes to a call that copies them. The caller keeps `data` until the call returns."""
    return Bytes(ctypes.cast(c_char_p(data), c_void_p), len(data))


def copied(data: Bytes) -> bytes:
    """Copy bytes that are only borrowed from the library."""
    return ctypes.string_at(data.data, data.len) if data.len else b""


class Exchange:
    """One request and the answer that it is owed. Any thread may answer it, once."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def path_value(self, name: str) -> str:
        wanted, out = name.encode(), Bytes()
        check(lib.oxb_request_path_value(self.handle, lent(wanted), byref(out)))
        return copied(out).decode(errors="replace")

    def body(self) -> bytes:
        out = Bytes()
        check(lib.oxb_request_body(self.handle, byref(out)))
        return copied(out)

    def defer(self) -> None:
        check(lib.oxb_exchange_defer(self.handle))

    def reply(self, status: int, content_type: str, body: str) -> None:
        # What can fail here is that the client has gone, and then there is nobody left to tell.
        data = body.encode()
        lib.oxb_exchange_reply(self.handle, status, content_type.encode(), lent(data))

    def refuse(self, status: int) -> None:
        lib.oxb_exchange_refuse(self.handle, status)


class Server:
    """A server that calls Python functions on threads of the library."""

    def __init__(self, address: str, routes: Mapping[str, Callable[[Exchange], None]]) -> None:
        check(lib.oxb_abi_check(ABI))
        config, self._server, error = c_void_p(), c_void_p(), c_void_p()
        check(lib.oxb_config_new(byref(config)))
        check(lib.oxb_config_listen(config, address.encode(), byref(error)), error)
        # The library calls into these objects until the server is freed: they must live as long.
        self._callbacks = []
        for pattern, handler in routes.items():
            callback = handler_t(self._calling(handler))
            self._callbacks.append(callback)
            added = lib.oxb_config_handle(
                config, pattern.encode(), callback, None, None, byref(error)
            )
            check(added, error)
        check(lib.oxb_server_start(config, byref(self._server), byref(error)), error)

    @property
    def url(self) -> str:
        out = Bytes()
        check(lib.oxb_server_url(self._server, byref(out)))
        return copied(out).decode()

    def begin_stop(self, grace: float) -> None:
        check(lib.oxb_server_begin_stop(self._server, int(grace * 1000)))

    def wait(self) -> None:
        # ctypes gives up the GIL for the time of the call, so that callbacks can run.
        check(lib.oxb_server_wait(self._server, FOREVER))

    def close(self) -> None:
        lib.oxb_server_free(self._server)

    @staticmethod
    def _calling(handler: Callable[[Exchange], None]) -> Callable[[int, int | None], None]:
        def call(handle: int, _user_data: int | None) -> None:
            # An exception has no way through C. Left alone, it would be printed and forgotten.
            try:
                handler(Exchange(handle))
            except Exception:
                traceback.print_exc()
                lib.oxb_exchange_abort(handle)

        return call


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
        x.refuse(413 if error.status == TOO_LARGE else 400)
    except (ValueError, RecursionError) as error:
        x.reply(400, PLAIN, f"The body is not JSON: {error}.\n")
    else:
        x.reply(200, "application/json", json.dumps(value))


def later(x: Exchange) -> None:
    x.defer()
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
    # Blocked before the library starts its threads, and taken by sigwait: Python code of a signal
    # handler could not run while this thread waits inside C.
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
    server.wait()
    server.close()


if __name__ == "__main__":
    main()
