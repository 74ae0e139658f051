"""What tests of single options serve, and how they run the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from supervised import BOUND

APP = """
import json, os, threading

gate = threading.Event()
TOLD = ("REMOTE_ADDR", "wsgi.url_scheme", "SCRIPT_NAME", "PATH_INFO", "SERVER_PROTOCOL")

def app(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        start_response("200 OK", [])("begun".encode())
        gate.wait()
        return []
    environ["wsgi.input"].read()
    told = {name: environ.get(name) for name in TOLD}
    told |= {"from_file": os.environ.get("FROM_FILE"), "padding": "x" * 5000}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]

def make():
    return app

async def knows_no_lifespan(scope, receive, send):
    assert scope["type"] != "lifespan"

async def echo(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})
"""


def write_project(directory: Path) -> None:
    """Write what the command lines below name: main.py, files, an environment, a TOML file."""
    (directory / "main.py").write_text(APP)
    (directory / "deep").mkdir()
    (directory / "deep" / "other.py").write_text(APP)
    (directory / "files").mkdir()
    (directory / "files" / "hello.txt").write_text("a file\n")
    (directory / "test.env").write_text("FROM_FILE='a value'\nOXBRIDGE_HEADERS=X-Env: yes\n")
    (directory / "oxbridge.toml").write_text('header = ["X-Toml: yes"]\nroot-path = "/toml"\n')


def line(*options: str, app: str = "main:app") -> list[str]:
    """Command line, with a free port unless the options say where to listen."""
    listens = {"--bind", "--uds", "--fd"} & set(options)
    where = [] if listens else ["--port", "0"]
    return [sys.executable, "-m", "oxbridge", "serve", app, "--no-access-log", *where, *options]


def refusal(directory: Path, *options: str, app: str = "main:app", code: int = 1) -> str:
    """Start what must not start; the one sentence that it says."""
    done = subprocess.run(
        line(*options, app=app),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(("oxbridge: ", "ERROR:    "))
    return done.stderr
