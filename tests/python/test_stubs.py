"""Types: the stubs say what is there, and programs written against them pass strict checks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import oxbridge
from serving import ROOT


def check(*arguments: str | Path, cwd: Path = ROOT) -> None:
    """Run a type checker; what it finds is the test's failure."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "MYPYPATH": str(ROOT / "python")},
    )
    assert done.returncode == 0, done.stdout + done.stderr


# What is for Django cannot be imported where Django is not. stubtest takes an alias of a Literal
# for a Union, looks for an InitVar among the attributes, and takes what mypy narrows a value to for
# a class of the module.
ALLOWED = (
    r"oxbridge\.contrib\.django\.management\.commands\.oxbridge.*",
    r"oxbridge\._cli\.interface\.Interface",
    r"oxbridge\._embedded\.Kind",
    r"oxbridge\._cli\.options\.option\.Process",
    r"oxbridge\.config\.Config\.origins",
    r"oxbridge\.(_mounted|server)\.<callable subtype of object>",
    r"oxbridge\._supervisor\.process\.State\..*",
)


@pytest.mark.timeout(300)
def test_the_stubs_say_what_is_there(tmp_path: Path) -> None:
    config, allowed = tmp_path / "mypy.ini", tmp_path / "allowed"
    config.write_text("[mypy]\n[mypy-django.*]\nignore_missing_imports = true\n")
    allowed.write_text("\n".join(ALLOWED))
    check(
        "mypy.stubtest",
        "oxbridge",
        "--concise",
        *("--mypy-config-file", config),
        *("--allowlist", allowed, "--ignore-unused-allowlist"),
        cwd=tmp_path,
    )


@pytest.mark.timeout(300)
def test_the_examples_pass_a_strict_check(tmp_path: Path) -> None:
    # Django comes without types: what derives from it, or is decorated by it, cannot have any.
    untyped = ROOT / "examples" / "embed_django"
    found = sorted((ROOT / "examples").rglob("*.py"))
    examples = [file for file in found if untyped not in file.parents]
    assert examples
    check("mypy", "--strict", "--cache-dir", tmp_path, *examples)


PROGRAM = """
from typing import assert_type

from oxbridge import Handler, Headers, Mux, Request, ResponseWriter, Server, Values
from oxbridge import Config, Metrics, route, run, shutdown
from oxbridge.pytest_plugin import OxbridgeServer
from oxbridge.rsgi import HTTPProtocol, Scope, WebsocketMessageType, WebsocketProtocol
from oxbridge.testing import serve


@route("GET /")
def plain(w: ResponseWriter, req: Request) -> None:
    assert_type(w.write("x"), int)
    assert_type(req.body, bytes)
    assert_type(req.headers, Headers)
    assert_type(req.headers.get("A"), str | None)
    assert_type(req.headers.get("A", ""), str)
    assert_type(req.query, Values)
    assert_type(req.content_length, int | None)
    for part in req.multipart():
        assert_type(part.read(), bytes)
    for piece in req:
        assert_type(piece, bytes)
    for name, value in req.query.items():
        assert_type(name, str)


@route("/async", blocking=True)
async def coroutine(w: ResponseWriter, req: Request) -> None:
    assert_type(await req.aread(), bytes)
    assert_type(await w.awrite(b"x"), int)
    async for piece in req:
        assert_type(piece, bytes)


mux = Mux()
mux.route("/lambda", lambda w, req: w.write(req.path))
mux.route("/plain", plain).__name__
handler: Handler = coroutine
with Server(mux, threads=5, max_body=None) as server:
    assert_type(server, Server)
    assert_type(server.port, int)
with serve(plain, keep_alive_timeout=1) as client:
    assert_type(client.get("/").status, int)
async def embedded() -> None:
    server = Server(Config("main:app", port=0))
    await server.serve(handle_signals=True)
    async with Server(
        mux,
        compression={"min_size": 100},
        static={"/static": "public"},
        access_log={"format": "json"},
        headers=[("a", "b")],
        metrics=Metrics(),
    ) as server:
        assert_type(server.started, bool)


async def rsgi(scope: Scope, protocol: WebsocketProtocol) -> None:
    assert_type(scope.headers.get("host"), str | None)
    transport = await protocol.accept()
    message = await transport.receive()
    if message.kind == WebsocketMessageType.string:
        await transport.send_str(str(message.data))


async def answered(scope: Scope, protocol: HTTPProtocol) -> None:
    assert_type(await protocol(), bytes)
    async for piece in protocol:
        assert_type(piece, bytes)
    stream = protocol.response_stream(200, [("a", "b")])
    await stream.send_bytes(b"x")


mux.mount(rsgi, interface="rsgi")


def test_it(oxbridge_server: OxbridgeServer) -> None:
    assert_type(oxbridge_server(mux, threads=1).get("/").text, str)


run(port="5000", mux=mux, bind=["unix:/x"], shutdown_timeout=1.5)
shutdown(1)
"""


@pytest.mark.timeout(300)
def test_a_program_keeps_its_types(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    check("mypy", "--strict", "--cache-dir", tmp_path, tmp_path / "program.py", cwd=tmp_path)


def test_a_wrong_program_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "from oxbridge import Request, ResponseWriter, route, run\n"
        "@route('/')\n"
        "def handler(w: ResponseWriter) -> None: ...\n"
        "def other(w: ResponseWriter, req: Request) -> None:\n"
        "    w.write(5)\n"
        "    req.method = 'PUT'\n"
        "run(thread=5)\n"
    )
    with pytest.raises(AssertionError) as found:
        check("mypy", "--strict", "--cache-dir", tmp_path, tmp_path / "program.py", cwd=tmp_path)
    for line in (2, 5, 6, 7):
        assert f"program.py:{line}: error" in str(found.value)


def test_everything_public_is_exported_and_described() -> None:
    for name in oxbridge.__all__:
        value = getattr(oxbridge, name)
        # An alias of a type has no place for a docstring.
        assert value.__doc__ or name == "Handler", name
    assert Path(oxbridge.__file__).with_name("py.typed").exists()
