"""Serves, is shut down from a thread of its own, and serves again, five times."""

from __future__ import annotations

import threading
from typing import Any

from binding import addresses, handle, lib, say, write


@handle("/")
def root(w: int, r: Any) -> None:
    write(w, b"round %d" % rounds)


@handle("/more")
def more(w: int, r: Any) -> None:
    # From a thread that is no handler's: it waits for this very handler, but not for ever.
    stopper = threading.Thread(target=lib.Shutdown)
    stopper.start()
    write(w, b"on")


for rounds in range(5):
    say("returned", lib.ListenAndServe(addresses[0]), "in round", rounds)
    # With nothing to stop, this does nothing, now or to what comes.
    lib.Shutdown()
say("ended")
