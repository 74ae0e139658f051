"""`python -m oxbridge`: the command `oxbridge`."""

from __future__ import annotations

import sys

from oxbridge._cli.command import main

if __name__ == "__main__":
    sys.exit(main())
