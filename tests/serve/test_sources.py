"""Command line, environment and TOML file: what each may say, and which one wins."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from oxbridge import Config, ConfigError
from oxbridge._cli.errors import CommandError, UsageError
from oxbridge._cli.options import OPTIONS
from oxbridge._cli.parser import parse, spellings
from oxbridge._cli.sources import config_from, plain_environment, read_toml

# Of `uvicorn --help`, version 0.54.
UVICORN = [
    "--host", "--port", "--uds", "--fd", "--reload", "--reload-dir", "--reload-include",
    "--reload-exclude", "--reload-delay", "--workers", "--loop", "--http", "--http2", "--ws",
    "--ws-max-size", "--ws-max-queue", "--ws-ping-interval", "--ws-ping-timeout",
    "--ws-per-message-deflate", "--lifespan", "--interface", "--env-file", "--log-config",
    "--log-level", "--access-log", "--no-access-log", "--use-colors", "--no-use-colors",
    "--proxy-headers", "--no-proxy-headers", "--server-header", "--no-server-header",
    "--date-header", "--no-date-header", "--forwarded-allow-ips", "--root-path",
    "--limit-concurrency", "--backlog", "--limit-max-requests", "--limit-max-requests-jitter",
    "--timeout-keep-alive", "--timeout-graceful-shutdown", "--timeout-worker-healthcheck",
    "--ssl-keyfile", "--ssl-certfile", "--ssl-keyfile-password", "--ssl-version",
    "--ssl-cert-reqs", "--ssl-ca-certs", "--ssl-ciphers", "--header", "--version", "--app-dir",
    "--h11-max-incomplete-event-size", "--reset-contextvars", "--factory", "--help",
]  # fmt: skip


def read(line: str, environ: dict[str, str] | None = None, toml: Path | None = None) -> Config:
    return Config.read(shlex.split(line), environ=environ or {}, toml=toml)


@pytest.mark.parametrize("option", UVICORN)
def test_every_option_of_uvicorn_is_known(option: str) -> None:
    try:
        parse([option, "1"])
    except UsageError as error:
        pytest.fail(str(error))


def test_no_spelling_means_two_things() -> None:
    seen = [s for option in OPTIONS for s in spellings(option)]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("line", "name", "held"),
    [
        ("main:app", "app", "main:app"),
        ("--port 80 main:app", "app", "main:app"),
        ("--reload main:app --port 80", "app", "main:app"),
        ("--port=80", "port", 80),
        ("-w 3", "workers", 3),
        ("--no-access-log", "access_log", False),
        ("--no-access-log --access-log", "access_log", True),
        ("-b 127.0.0.1:1 --bind unix:/a", "bind", ("127.0.0.1:1", "unix:/a")),
        ("--header 'A: 1' --header B:2", "headers", (("A", "1"), ("B", "2"))),
        ("--reload-dir a --reload-dir b", "reload_dirs", ("a", "b")),
        ("--static /s=a,b", "static", (("/s", "a,b"),)),
        ("--ws-per-message-deflate false", "ws_per_message_deflate", False),
        ("--ws-ping-interval none", "ws_ping_interval", None),
        ("--max-requests 5", "limit_max_requests", 5),
        ("--graceful-timeout 5", "timeout_graceful_shutdown", 5.0),
        ("--keep-alive 2", "timeout_keep_alive", 2.0),
        ("--access-logfile -", "access_log_file", "-"),
        ("--max-body 2G", "max_body", 2 * 1024**3),
        ("--timeout-keep-alive 90s", "timeout_keep_alive", 90.0),
    ],
)
def test_command_line(line: str, name: str, held: Any) -> None:
    assert getattr(read(line), name) == held


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--prot 80", "there is no option --prot; did you mean --port?"),
        ("--no-acces-log", "there is no option --no-acces-log; did you mean --no-access-log"),
        ("--xyzzy", "there is no option --xyzzy; `oxbridge serve --help` lists them"),
        ("--daemon", "--daemon is not an option here: "),
        ("--port", "expected one argument"),
        ("--port x", "--port must be a whole number, 0 to 65535, not 'x'"),
        ("-w 0", "-w must be a whole number, 1 or more, not '0'"),
        ("--graceful-timeout x", "--graceful-timeout must be a time in seconds"),
        ("-w 2 --reload", "--reload works with one worker, but -w asks for 2"),
        ("a:b c:d", "one application can be served, not both 'a:b' and 'c:d'"),
        ("--interface cgi", "--interface must be one of auto, asgi, "),
        ("--ssl-keyfile k", "--ssl-keyfile needs a certificate as well"),
    ],
)
def test_wrong_command_lines(line: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        config_from(parse(shlex.split(line)), {})
    assert said in str(refused.value)


def test_options_that_choose_nothing_here_are_noted() -> None:
    command = parse(shlex.split("-k gthread --http h11 --http2 main:app"))
    assert command.app == "main:app"
    assert [note.split()[0] for note in command.notes] == ["-k", "--http", "--http2"]


@pytest.mark.parametrize(
    ("environ", "name", "held"),
    [
        ({"OXBRIDGE_PORT": "80"}, "port", 80),
        ({"UVICORN_PORT": "80"}, "port", 80),
        ({"OXBRIDGE_PORT": "1", "UVICORN_PORT": "2"}, "port", 1),
        ({"PORT": "80"}, "port", 8000),
        ({"OXBRIDGE_PORT": ""}, "port", 8000),
        ({"WEB_CONCURRENCY": "3"}, "workers", 3),
        ({"WEB_CONCURRENCY": "3", "UVICORN_WORKERS": "2"}, "workers", 2),
        ({"FORWARDED_ALLOW_IPS": "*"}, "forwarded_allow_ips", "*"),
        ({"OXBRIDGE_RELOAD": "true"}, "reload", True),
        ({"OXBRIDGE_ACCESS_LOG": "0"}, "access_log", False),
        ({"OXBRIDGE_BIND": "127.0.0.1:1, unix:/a"}, "bind", ("127.0.0.1:1", "unix:/a")),
        ({"OXBRIDGE_HEADERS": "A: 1\nB: 2"}, "headers", (("A", "1"), ("B", "2"))),
        ({"OXBRIDGE_HEADER": "A: 1"}, "headers", (("A", "1"),)),
        ({"UVICORN_HEADERS": "A:1 B:2"}, "headers", (("A", "1"), ("B", "2"))),
        ({"UVICORN_RELOAD_DIRS": "a:b"}, "reload_dirs", ("a", "b")),
        ({"OXBRIDGE_RELOAD_DIR": "a:b"}, "reload_dirs", ("a", "b")),
        ({"OXBRIDGE_RELOAD_INCLUDES": "*.html *.css"}, "reload_includes", ("*.html", "*.css")),
        ({"UVICORN_MAX_BODY": "5"}, "max_body", None),
    ],
)  # fmt: skip
def test_environment(environ: dict[str, str], name: str, held: Any) -> None:
    assert getattr(read("", environ), name) == held


def test_a_bad_variable_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^\$WEB_CONCURRENCY must be a whole number"):
        read("", {"WEB_CONCURRENCY": "many"})


def test_a_program_takes_two_variables_from_the_environment() -> None:
    environ = {"WEB_CONCURRENCY": "2", "FORWARDED_ALLOW_IPS": "*", "UVICORN_PORT": "1"}
    assert plain_environment(environ) == {"workers": 2, "forwarded_allow_ips": "*"}


def test_the_command_line_wins_then_the_environment_then_the_file(tmp_path: Path) -> None:
    toml = tmp_path / "oxbridge.toml"
    toml.write_text("port = 1\nworkers = 1\nbacklog = 1\n")
    environ = {"OXBRIDGE_PORT": "2", "OXBRIDGE_WORKERS": "2"}
    config = read("--port 3", environ, toml)
    assert (config.port, config.workers, config.backlog) == (3, 2, 1)


TOML = """
app = "main:app"
workers = 2
bind = ["127.0.0.1:1", "unix:/a"]
reload-dir = ["a"]
access-log = false
max_body = "1M"
timeout-keep-alive = 5
header = ["A: 1", ["B", "2"]]
static = { "/s" = "files" }
log-config = { version = 1 }
compression = ["br"]
"""


@pytest.mark.parametrize(
    ("name", "head"), [("oxbridge.toml", ""), ("pyproject.toml", "[tool.oxbridge]\n")]
)
def test_a_toml_file_has_the_same_keys(tmp_path: Path, name: str, head: str) -> None:
    toml = tmp_path / name
    toml.write_text(head + TOML)
    assert read(f"--config {toml}") == Config(
        app="main:app",
        workers=2,
        bind=["127.0.0.1:1", "unix:/a"],
        reload_dirs=["a"],
        access_log=False,
        max_body="1M",
        timeout_keep_alive=5,
        headers=["A: 1", "B: 2"],
        static=["/s=files"],
        log_config={"version": 1},
        compression=["br"],
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = ", "is not TOML: "),
        ("prot = 1", "prot in oxbridge.toml is not an option; did you mean port?"),
        ("port = '80'", "port in oxbridge.toml must be a whole number, 0 to 65535, not '80'"),
        ("workers = 2\nreload = true", "reload in oxbridge.toml works with one worker"),
        ("reload-dir = []\nreload_dirs = []", "reload_dirs stands twice in oxbridge.toml"),
        ("app = 5", "app in oxbridge.toml must be text such as 'module:app', not 5"),
        ("[tool.other]\nx = 1", "oxbridge.toml has no table [tool.oxbridge]"),
        ("\udc80", "is not TOML: "),
    ],
)
def test_wrong_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("oxbridge.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as refused:
        read("--config oxbridge.toml")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_toml_file_that_is_not_there() -> None:
    with pytest.raises(CommandError, match=r"/nowhere/x\.toml cannot be read: No such file"):
        read_toml("/nowhere/x.toml")
