"""Calls that cannot do what they ask for: each is one line in the log, and nothing else happens."""

from __future__ import annotations

from typing import Any

from binding import addresses, ffi, handle, lib, say, write


def answer(text: bytes) -> Any:
    def handler(w: int, r: Any) -> None:
        write(w, text)

    return handler


handle("/")(answer(b"first"))
handle("/")(answer(b"second"))
handle("no-slash")(answer(b""))
handle("GET /a/{x")(answer(b""))
handle("")(answer(b""))
lib.HandleFunc(b"/\xff", ffi.callback("void(ResponseWriterPtr, Request *)", answer(b"")))
lib.HandleFunc(ffi.NULL, ffi.callback("void(ResponseWriterPtr, Request *)", answer(b"")))
lib.HandleFunc(b"/null", ffi.NULL)
lib.Call_HandleFunc(0, ffi.NULL, ffi.NULL)
say(lib.ResponseWriter_Write(7, b"x", 1))
lib.Shutdown()
for address in (ffi.NULL, b"8000", b":99999", b":no-such-service", b"\xff:80", b"::1:80"):
    say(lib.ListenAndServe(address))
say("serving")
lib.ListenAndServe(addresses[0])
