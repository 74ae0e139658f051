"""`oxbridge cache top`: the nodes of a cache, as they are now."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence

from oxbridge._cli.cache import arguments, view
from oxbridge._cli.cache.arguments import Arguments
from oxbridge._cli.cache.asking import Answer, Asker
from oxbridge._cli.cache.figures import Look, between, look
from oxbridge._cli.errors import CommandError, UsageError


def main(given: Sequence[str]) -> int:
    """Run `oxbridge cache` with these arguments; return the exit code.

    Raises:
        CommandError: What is asked for is wrong, or no node answers.
        OSError: A file cannot be read.
    """
    if not given or given[0] in ("-h", "--help", "help"):
        print(arguments.HELP, end="")
        return 0
    if given[0] != "top":
        raise UsageError(f"oxbridge cache has no command {given[0]!r}; there is: top")
    asked = arguments.parse(given[1:])
    if asked is None:
        print(arguments.HELP, end="")
        return 0
    asker = Asker(asked)
    try:
        return _run(asked, asker)
    finally:
        asker.close()


def _run(asked: Arguments, asker: Asker) -> int:
    if asked.prometheus:
        try:
            print(asker.text(asked.nodes[0], "metrics"), end="")
        except CommandError as error:
            raise CommandError(f"{asked.nodes[0]}: {error}") from None
        return 0
    answers = _first(asker)
    if asked.json:
        print(json.dumps([_as_json(answer) for answer in answers], indent=2, ensure_ascii=False))
        return 0
    if asked.once or not (sys.stdin.isatty() and sys.stdout.isatty()):
        width = 100
        if sys.stdout.isatty():
            width = os.get_terminal_size(sys.stdout.fileno()).columns
        shown = view.lines(look(answers), width, 10_000, _clock(), _colors())
        print("\n".join(line.rstrip() for line in shown))
        return 0
    return _watch(asked, asker, answers)


def _first(asker: Asker) -> list[Answer]:
    answers = asker.cluster()
    if not any(answer.snapshot for answer in answers):
        told = "; ".join(f"{answer.address}: {answer.problem}" for answer in answers)
        raise CommandError(f"no node answers ({told})")
    return answers


def _watch(asked: Arguments, asker: Asker, answers: list[Answer]) -> int:
    from oxbridge._cli.cache.screen import screen

    seen, at = look(answers), time.monotonic()
    shown = seen
    with screen() as terminal:
        while True:
            width, height = terminal.size()
            terminal.draw(view.lines(shown, width, height, _clock(), _colors()))
            key = terminal.key(max(0.0, at + asked.interval - time.monotonic()))
            if key is not None and key.lower() in ("q", "\x1b", "\x04"):
                return 0
            if time.monotonic() >= at + asked.interval:
                shown, seen, at = _next(asker, seen, at)


def _next(asker: Asker, seen: Look, at: float) -> tuple[Look, Look, float]:
    """Look again; give what to show, what was seen, and when."""
    after, now = look(asker.cluster()), time.monotonic()
    return between(seen, after, now - at), after, now


def _as_json(answer: Answer) -> dict[str, object]:
    return {"address": answer.address, "problem": answer.problem or None, **(answer.snapshot or {})}


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _colors() -> view.Colors:
    # https://no-color.org
    plain = os.environ.get("NO_COLOR") or not sys.stdout.isatty()
    return view.PLAIN if plain or os.environ.get("TERM") == "dumb" else view.Colors()
