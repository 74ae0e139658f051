"""Answers every request on port 8000 with "Hello, world", by way of cffi.

python hello.py path/to/libgohttp.so [ADDRESS]
"""

import sys
from typing import Any

from cffi import FFI  # type: ignore[import-untyped]

ffi = FFI()
ffi.cdef(
    """
    typedef struct Request_ {
        const char *Method; const char *Host; const char *URL;
        const char *Body; const char *Headers;
    } Request;
    typedef unsigned int ResponseWriterPtr;
    typedef void FuncPtr(ResponseWriterPtr w, Request *r);
    int ListenAndServe(const char *addr);
    void HandleFunc(const char *pattern, FuncPtr *handler);
    int ResponseWriter_Write(ResponseWriterPtr w, const char *buf, int length);
    """
)


def main() -> int:
    """Serve until the process is killed: Python does not see Ctrl-C while it waits for C."""
    lib = ffi.dlopen(sys.argv[1])
    address = sys.argv[2] if len(sys.argv) > 2 else ":8000"

    def hello(w: int, req: Any) -> None:
        text = b"Hello, world\n"
        print(ffi.string(req.Method).decode(), ffi.string(req.URL).decode(), flush=True)
        if lib.ResponseWriter_Write(w, text, len(text)) != len(text):
            print("the answer was not taken", file=sys.stderr)

    # The library keeps the address of this function: it must live as long as the server does.
    callback = ffi.callback("void(ResponseWriterPtr, Request *)", hello)
    lib.HandleFunc(b"/", callback)
    print(f"Listening on {address}", flush=True)
    return 0 if lib.ListenAndServe(address.encode()) == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
