"""A cffi binding in the manner of the original's: ABI mode, declarations as text, @ffi.callback.

python SCRIPT LIBRARY fd:3 …
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from cffi import FFI

ffi = FFI()
ffi.cdef(
    """
    typedef struct Request_ {
        const char *Method; const char *Host; const char *URL;
        const char *Body; const char *Headers;
    } Request;
    typedef unsigned int ResponseWriterPtr;
    typedef void FuncPtr(ResponseWriterPtr w, Request *r);
    void Call_HandleFunc(ResponseWriterPtr w, Request *r, FuncPtr *fn);
    int ListenAndServe(char *p0);
    void Shutdown();
    void HandleFunc(char *p0, FuncPtr *p1);
    int ResponseWriter_Write(unsigned int p0, char *p1, int p2);
    void ResponseWriter_WriteHeader(unsigned int p0, int p1);
    """
)
lib: Any = ffi.dlopen(sys.argv[1])
addresses = [argument.encode() for argument in sys.argv[2:]]

# A callback lives as long as something holds it.
_handlers: list[object] = []

Handler = Callable[[int, Any], None]


def handle(pattern: str) -> Callable[[Handler], Handler]:
    """Register the decorated function for a pattern."""

    def register(handler: Handler) -> Handler:
        callback = ffi.callback("void(ResponseWriterPtr, Request *)", handler)
        _handlers.append(callback)
        lib.HandleFunc(pattern.encode(), callback)
        return handler

    return register


def write(w: int, data: bytes) -> int:
    """Write bytes to the answer; returns what the library does."""
    return int(lib.ResponseWriter_Write(w, data, len(data)))


def string(pointer: object) -> bytes:
    """The bytes of a C string."""
    return bytes(ffi.string(pointer))


def say(*words: object) -> None:
    """Tell the test something, on a line that no other thread's words get into."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())
