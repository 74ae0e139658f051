"""Signal handlers of an application on the server's event loop: the server's own still work."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from supervised import get, start, until, write_app

from serving import Serve

APP = """
    import asyncio, signal

    caught = []

    async def app(scope, receive, send):
        loop = asyncio.get_running_loop()
        if scope["type"] == "lifespan":
            await receive()
            if EARLY:
                loop.add_signal_handler(signal.SIGUSR2, caught.append, 1)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        match scope["path"]:
            case "/add":
                loop.add_signal_handler(signal.SIGUSR2, caught.append, 1)
            case "/remove":
                loop.remove_signal_handler(signal.SIGUSR2)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(len(caught)).encode()})
"""


@pytest.mark.parametrize("early", [True, False])
def test_the_server_hears_signals_after_the_application_has_removed_its_last_handler(
    serve: Serve, tmp_path: Path, early: bool
) -> None:
    write_app(tmp_path, APP.replace("EARLY", str(early)))
    served = start(serve, tmp_path, app="app:app", workers=1, worker_timeout=None)
    if not early:
        get(served.url, "/add")
    served.process.send_signal(signal.SIGUSR2)
    until(lambda: get(served.url) == "1", "the application hears its signal")
    get(served.url, "/remove")
    # Nothing else wakes the loop: it is idle.
    assert served.stop(timeout=10) == 0
