"""setup, get, set and initialized: a process of its own, since there is one node in each."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def run(source: str) -> str:
    """Run a program and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_four_functions() -> None:
    printed = run(
        """
        import socket
        from oxbridge import cache

        print(cache.initialized())
        try:
            cache.get("a")
        except cache.CacheError as error:
            print(error)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            try:
                cache.setup("127.0.0.1:%d" % taken.getsockname()[1])
            except OSError as error:
                print("taken", cache.initialized())
        cache.setup("127.0.0.1:0")
        print(cache.initialized())
        print(cache.get("a"), cache.set("a", "ä\\0b"), cache.get("a"))
        # A key that is cached gets the new value.
        print(cache.set("a", b"2"), cache.get("a"))
        try:
            cache.setup("127.0.0.1:0")
        except RuntimeError as error:
            print(error)
        """
    )
    assert printed.splitlines() == [
        "False",
        'the cache has not been set up: call setup("host:port") first',
        "taken False",
        "True",
        r"b'' b'\xc3\xa4\x00b' b'\xc3\xa4\x00b'",
        "b'2' b'2'",
        "the cache has been set up already",
    ]
