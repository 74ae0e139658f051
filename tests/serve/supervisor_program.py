"""A supervisor for tests: its configuration is the JSON on the command line."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from standin import Config

from oxbridge._supervisor import supervise


class Admin:
    """Says what it is told."""

    def __init__(self) -> None:
        self._ready = False

    def set_ready(self, ready: bool) -> None:
        if ready != self._ready:
            logging.info("admin: ready %s", ready)
        self._ready = ready

    def retire(self, slot: int) -> None:
        logging.info("admin: slot %d retired", slot)


def announce(addresses: Sequence[str]) -> None:
    """Write the start line."""
    places = [each if each.startswith("unix:") else f"http://{each}" for each in addresses]
    logging.info("Serving on %s", ", ".join(places))


logging.basicConfig(level=logging.INFO, format="%(message)s")
try:
    code = supervise(
        Config.from_json(sys.argv[1]),
        command=[sys.executable, str(Path(__file__).with_name("worker_program.py"))],
        admin=Admin(),
        metrics_fd=os.memfd_create("metrics"),
        announce=announce,
    )
except OSError as error:
    logging.error("%s", error.strerror)
    code = 1
sys.exit(code)
