"""`python -m oxbridge`: says which version this is and how a program uses it."""

from __future__ import annotations

import sys

from oxbridge import __version__

USAGE = (
    "usage: in a program, `from oxbridge import route, run`; `python -m pydoc oxbridge` says more"
)


def main(arguments: list[str]) -> int:
    """Print the version and one line of usage; anything asked for beyond that is an error."""
    if arguments and arguments[0] not in ("--version", "-V", "--help", "-h"):
        print(f"oxbridge: unknown argument {arguments[0]!r}\n{USAGE}", file=sys.stderr)
        return 2
    print(f"oxbridge {__version__}")
    if arguments[:1] not in (["--version"], ["-V"]):
        print(USAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
