"""The program that the original's Python package shows, with bytes where Python 2 had str.

    python original_package.py PLACE fd:3

The package does not encode text itself, so that `run()` fails on Python 3 before it comes to the
library; the function that it calls is called here.
"""

from __future__ import annotations

import sys
from typing import Any

sys.path.insert(0, sys.argv[1])

from gohttp import lib, route


@route(b"/")
def index(w: Any, req: Any) -> None:
    w.write(b"%s %s %s\n" % (req.method, req.host, req.url))
    w.write(b"Hello, world.\n")


@route(b"GET /teapot/{rest...}")
def teapot(w: Any, req: Any) -> None:
    w.set_status(418)
    w.write(repr(req).encode())


@route(b"/fails")
def fails(w: Any, req: Any) -> None:
    raise ValueError("a handler that fails")


lib.ListenAndServe(sys.argv[2].encode())
