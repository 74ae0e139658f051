"""Handlers of every kind, on as many addresses as are given."""

from __future__ import annotations

import threading
from typing import Any

from binding import addresses, ffi, handle, lib, say, string, write

gate = threading.Barrier(100)
kept: list[int] = []


@handle("/")
def root(w: int, r: Any) -> None:
    write(w, b"%s %s\n" % (string(r.Method), string(r.URL)))


@handle("GET /hello/{name}")
def hello(w: int, r: Any) -> None:
    write(w, b"hello")


@handle("/nothing")
def nothing(w: int, r: Any) -> None:
    pass


@handle("POST /body")
def body(w: int, r: Any) -> None:
    write(w, string(r.Body))


@handle("/status/404")
def not_found(w: int, r: Any) -> None:
    lib.ResponseWriter_WriteHeader(w, 404)
    write(w, b"gone")


@handle("/status/twice")
def twice(w: int, r: Any) -> None:
    lib.ResponseWriter_WriteHeader(w, 201)
    lib.ResponseWriter_WriteHeader(w, 404)


@handle("/status/late")
def late(w: int, r: Any) -> None:
    write(w, b"")
    lib.ResponseWriter_WriteHeader(w, 404)


@handle("/status/wrong")
def wrong(w: int, r: Any) -> None:
    for status in (-1, 0, 99, 101, 1000, 65536 + 204):
        lib.ResponseWriter_WriteHeader(w, status)
    write(w, b"served")


@handle("/status/early-hints")
def early_hints(w: int, r: Any) -> None:
    lib.ResponseWriter_WriteHeader(w, 103)
    lib.ResponseWriter_WriteHeader(w, 202)


@handle("/status/204")
def no_content(w: int, r: Any) -> None:
    lib.ResponseWriter_WriteHeader(w, 204)
    say("wrote", write(w, b"more"))


@handle("/bad-writes")
def bad_writes(w: int, r: Any) -> None:
    say("negative", lib.ResponseWriter_Write(w, b"abc", -1))
    say("NULL", lib.ResponseWriter_Write(w, ffi.NULL, 3))
    say("nothing", lib.ResponseWriter_Write(w, ffi.NULL, 0))
    say("forged", *(write(n, b"x") for n in (0, 1, 2**31, 2**32 - 1)))
    for forged in (0, 1, 2**31, 2**32 - 1):
        lib.ResponseWriter_WriteHeader(forged, 500)
    write(w, b"lives")


@handle("/keep")
def keep(w: int, r: Any) -> None:
    kept.append(w)
    write(w, b"kept")


@handle("/kept")
def use_kept(w: int, r: Any) -> None:
    stale = [write(number, b"late") for number in kept]
    lib.ResponseWriter_WriteHeader(kept[0], 500)
    write(w, b"%d" % max(stale))


@handle("/other-thread")
def other_thread(w: int, r: Any) -> None:
    writers = [threading.Thread(target=write, args=(w, b"a" * 1000)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


@handle("/together")
def together(w: int, r: Any) -> None:
    write(w, b"%d" % (gate.wait(60) >= 0))


@handle("/again")
def again(w: int, r: Any) -> None:
    callback = ffi.callback("void(ResponseWriterPtr, Request *)", root)
    lib.Call_HandleFunc(w, r, callback)
    lib.Call_HandleFunc(w, r, ffi.NULL)


@handle("/register")
def register(w: int, r: Any) -> None:
    @handle("/registered")
    def registered(w: int, r: Any) -> None:
        write(w, b"from inside")

    write(w, b"done")


@handle("/shutdown")
def shutdown(w: int, r: Any) -> None:
    lib.Shutdown()
    say("Shutdown returned")
    write(w, b"the last words")


def listen(address: bytes) -> None:
    say("returned", lib.ListenAndServe(address))


threads = [threading.Thread(target=listen, args=(address,)) for address in addresses]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
say("ended")
