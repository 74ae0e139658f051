"""A handler that waits for a thread which waits for the handler."""

from __future__ import annotations

import os
import threading
from typing import Any

from binding import addresses, handle, lib, say


@handle("/")
def root(w: int, r: Any) -> None:
    say("stuck")
    stopper = threading.Thread(target=stop)
    stopper.start()
    threading.Event().wait()


def stop() -> None:
    lib.Shutdown()
    say("Shutdown returned")
    finished.set()


finished = threading.Event()
say("returned", lib.ListenAndServe(addresses[0]))
finished.wait()
# The handler's thread cannot be ended otherwise.
os._exit(0)
