"""Registers, forks, and serves in both processes, one address each."""

from __future__ import annotations

import os
from typing import Any

from binding import addresses, handle, lib, write


@handle("/")
def root(w: int, r: Any) -> None:
    write(w, b"child" if child == 0 else b"parent")


@handle("/shutdown")
def shutdown(w: int, r: Any) -> None:
    lib.Shutdown()


child = os.fork()
lib.ListenAndServe(addresses[0 if child == 0 else 1])
if child != 0:
    os.waitpid(child, 0)
