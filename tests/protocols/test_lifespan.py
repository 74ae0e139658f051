"""The server's side of ASGI's lifespan: startup, shutdown, and applications without one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app_server import PEER, ServeApp, is_peer

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_shutdown_is_told_and_waited_for(serve_app: ServeApp, by: signal.Signals) -> None:
    served = serve_app("asgi_app:app", interface="asgi")
    assert httpx.get(f"{served.url}/bare").status_code == 201
    code = served.stop(by)
    assert "shut down" in served.stderr
    if not is_peer("uvicorn"):
        assert code == 0


@pytest.mark.parametrize("options", [[], ["--lifespan", "auto"], ["--lifespan", "off"]])
@pytest.mark.parametrize("app", ["raises_at_start", "returns_at_start"])
def test_applications_without_a_lifespan_are_served(
    serve_app: ServeApp, app: str, options: list[str]
) -> None:
    served = serve_app(f"asgi_app:{app}", *options, interface="asgi")
    assert httpx.get(served.url).json() == "serving"
    assert "Traceback" not in served.stderr  # it is no error to have none
    served.stop()


def test_off_asks_for_none(serve_app: ServeApp) -> None:
    served = serve_app("asgi_app:tells_of_lifespan", "--lifespan", "off", interface="asgi")
    assert httpx.get(served.url).json() is False or is_peer("uvicorn")
    assert "lifespan asked for" not in served.stderr


def fails(app: str, *options: str) -> tuple[int, str]:
    """Exit code and standard error of a server that does not start."""
    server = {"oxbridge": ["oxbridge", "serve"]}.get(_peer(), [_peer()])
    command = [sys.executable, "-m", *server, f"asgi_app:{app}", "--port", "0", *options]
    run = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=30, check=False)
    return run.returncode, run.stderr


def _peer() -> str:
    if PEER not in ("oxbridge", "uvicorn"):
        pytest.skip("the stand-in says nothing of the lifespan")
    return PEER


def test_a_failed_startup_ends_the_server(serve_app: ServeApp) -> None:
    code, said = fails("fails_to_start")
    assert code not in (0, -signal.SIGTERM)
    assert "the database is on holiday" in said
    assert "Traceback" not in said
    assert "Serving" not in said


def test_on_wants_one() -> None:
    code, said = fails("raises_at_start", "--lifespan", "on")
    assert code != 0
    assert "knows no lifespan" in said


def test_a_failed_shutdown_is_told(serve_app: ServeApp) -> None:
    served = serve_app("asgi_app:fails_to_stop", interface="asgi")
    assert httpx.get(served.url).json() == "serving"
    # It has stopped, as it was told to.
    assert served.stop() == 0
    assert "the door is stuck" in served.stderr
