"""A worker that serves a `Mux`: the one of the package, with its server standing in."""

from __future__ import annotations

import sys

import standin

standin.install()

from oxbridge import _worker  # noqa: E402 (after what it imports is in place)

sys.exit(_worker.main(sys.argv[1:]))
