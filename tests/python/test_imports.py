"""What a server has in memory besides what it needs: each worker pays for it, and each start."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from serving import Serve, Served, ServeSource

HEAVY = {"asyncio", "logging.config", "argparse", "ssl", "subprocess", "tomllib", "random"}
"""What no server without coroutines has imported."""

HANDLER = """
    import sys
    from oxbridge import route, run

    @route("/")
    def modules(w, req):
        w.write(" ".join(sys.modules))

    run(port=0)
"""
COROUTINE = HANDLER.replace("def modules", "async def modules")
WSGI = """
import sys

def app(environ, start_response):
    start_response("200 OK", [])
    return [" ".join(sys.modules).encode()]
"""


def modules(served: Served) -> set[str]:
    return set(httpx.get(served.url).text.split())


def test_a_program_with_plain_handlers_has_little_more_than_the_server(
    serve_source: ServeSource,
) -> None:
    unwanted = HEAVY | {"logging", "inspect", "dataclasses", "socket", "queue"}
    served = serve_source(HANDLER)
    assert modules(served) & unwanted == set()
    # Nobody has set up logging, so where it listens stands on standard error.
    assert served.stderr.splitlines() == [f"Serving on {served.url}"]
    assert served.stop() == 0


def test_a_program_with_coroutines_has_asyncio(serve_source: ServeSource) -> None:
    assert "asyncio" in modules(serve_source(COROUTINE))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_for_wsgi_has_no_event_loop(serve: Serve, tmp_path: Path, workers: str) -> None:
    (tmp_path / "main.py").write_text(WSGI)
    command = (sys.executable, "-m", "oxbridge", "serve", "main:app", "--port", "0")
    served = serve(*command, "--workers", workers, cwd=tmp_path)
    # The command line is read in the one process where there is one.
    read = {"argparse"} if workers == "1" else set()
    assert modules(served) & HEAVY == read
