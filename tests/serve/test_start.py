"""From the command line to a server that runs, with a server that serves nothing."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_server import Servers

import oxbridge
from oxbridge import Config, ConfigError
from oxbridge._cli.banner import start_line
from oxbridge._cli.command import main
from oxbridge._supervisor import Admin, Announce

Write = Callable[..., Path]

# What tests of a running server look for.
STARTED = re.compile(r"Serving (?:\S.* )?on (\S+)")


@pytest.fixture
def app(project: Write) -> None:
    project("main.py", "async def app(scope, receive, send): ...\n")


@pytest.mark.parametrize(
    ("config", "addresses", "line"),
    [
        ({}, ["127.0.0.1:8000"],
         "Serving main:app (WSGI) on http://127.0.0.1:8000 (HTTP/1.1 and HTTP/2)"),
        ({"workers": 4}, ["127.0.0.1:8000"],
         "Serving main:app (WSGI) on http://127.0.0.1:8000 (4 workers, HTTP/1.1 and HTTP/2)"),
        ({"ssl_certfile": "c"}, ["[::1]:443", "unix:/run/a.sock"],
         "Serving main:app (WSGI) on https://[::1]:443 and unix:/run/a.sock "
         "(HTTP/1.1 and HTTP/2)"),
        ({"workers": 2}, ["0.0.0.0:80"],
         "Serving main:app (WSGI) on http://127.0.0.1:80 (every interface) "
         "(2 workers, HTTP/1.1 and HTTP/2)"),
    ],
)  # fmt: skip
def test_start_line(config: dict[str, Any], addresses: list[str], line: str) -> None:
    assert start_line(Config(**config), "main:app", "wsgi", addresses) == line


@pytest.mark.parametrize("name", ["main:app", "pkg.application:application", "a:on", "on sale"])
def test_the_start_line_gives_the_first_address(name: str) -> None:
    line = start_line(Config(), name, "asgi", ["127.0.0.1:1", "127.0.0.1:2"])
    match = STARTED.search(f"INFO:     {line}")
    assert match is not None
    assert match[1] == "http://127.0.0.1:1"


@pytest.mark.usefixtures("app")
def test_a_server_gets_application_interface_and_addresses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    servers = Servers()
    assert main(["serve", "main:app", "-b", "127.0.0.1:1"], make_server=servers) == 0
    (server,) = servers
    assert (server.interface, server.binds) == ("asgi", ["127.0.0.1:1"])
    assert server.app.__name__ == "app"  # type: ignore[attr-defined]
    assert server.config.app == "main:app"
    assert capsys.readouterr().err.splitlines() == [
        "INFO:     Serving main:app (ASGI) on http://127.0.0.1:1 (HTTP/1.1 and HTTP/2)",
        "INFO:     Stopped",
    ]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--log-level", "warning"], ""),
        (["--use-colors", "--log-level", "debug"], "\x1b[32mINFO\x1b[0m:     Serving "),
        (["-k", "gevent"], "WARNING:  -k is not needed: "),
        (["--name", "shop"], "INFO:     Serving shop (ASGI) on "),
    ],
)
def test_what_is_logged(
    capsys: pytest.CaptureFixture[str], arguments: list[str], shown: str
) -> None:
    assert main(["serve", "main:app", *arguments], make_server=Servers()) == 0
    said = capsys.readouterr().err
    assert said.startswith(shown)
    assert bool(said) == bool(shown)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("sent", "stops"),
    [
        ([signal.SIGTERM], [3.0]),
        ([signal.SIGINT], [3.0]),
        ([signal.SIGINT, signal.SIGINT], [3.0, 0]),
        ([signal.SIGTERM, signal.SIGINT], [3.0, 0]),
        ([signal.SIGTERM, signal.SIGTERM], [3.0, 3.0]),
        ([signal.SIGQUIT], [0]),
    ],
)
def test_signals(sent: list[signal.Signals], stops: list[float]) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def signals() -> None:
        for number in sent:
            signal.raise_signal(number)

    servers = Servers(while_running=signals)
    arguments = ["serve", "main:app", "--graceful-timeout", "3"]
    assert main(arguments, make_server=servers) == 0
    assert servers[0].stops == stops
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.usefixtures("app")
def test_the_pid_file_is_there_while_it_serves(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    seen: list[str] = []
    servers = Servers(while_running=lambda: seen.append(pid.read_text()))
    assert main(["serve", "main:app", "-p", str(pid)], make_server=servers) == 0
    assert seen == [f"{os.getpid()}\n"]
    assert not pid.exists()


@pytest.mark.usefixtures("app")
def test_a_pid_file_of_another_process_stays(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def replace() -> None:
        pid.unlink()
        pid.write_text("1\n")

    servers = Servers(while_running=replace)
    assert main(["serve", "main:app", "-p", str(pid)], make_server=servers) == 0
    assert pid.read_text() == "1\n"


class StartupFailed(RuntimeError):
    """As the server raises it when the lifespan refuses."""


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (OSError(errno.EADDRINUSE, "cannot listen on 127.0.0.1:80: address already in use"), 1,
         "cannot listen on 127.0.0.1:80: address already in use; another program listens there"),
        (OSError(errno.EACCES, "cannot listen on 127.0.0.1:80: permission denied"), 1,
         "cannot listen on 127.0.0.1:80: permission denied; ports below 1024 need root"),
        (OSError(errno.EACCES, "cannot listen on a:80: permission denied (below 1024)"), 1,
         "cannot listen on a:80: permission denied (below 1024)\n"),
        (OSError(errno.EACCES, "cannot listen on unix:/a: permission denied"), 1,
         "cannot listen on unix:/a: permission denied\n"),
        (OSError("cannot listen on nohost:1: no address found"), 1, "cannot listen on nohost:1"),
        (ValueError("the key k.pem holds no key"), 1, "the key k.pem holds no key\n"),
        (StartupFailed("no database"), 3, "no database\n"),
        (KeyboardInterrupt(), 130, None),
    ],
)  # fmt: skip
def test_failures_of_the_server_are_one_sentence(
    capsys: pytest.CaptureFixture[str], failure: BaseException, code: int, said: str | None
) -> None:
    assert main(["serve", "main:app"], make_server=Servers(failure=failure)) == code
    shown = capsys.readouterr().err
    assert shown.startswith(f"oxbridge: {said}") if said else shown == ""
    assert shown.count("\n") == bool(said)


@pytest.mark.usefixtures("app")
def test_our_own_mistakes_are_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="a mistake"):
        main(["serve", "main:app"], make_server=Servers(failure=RuntimeError("a mistake")))


@pytest.mark.usefixtures("app")
def test_workers_are_the_supervisors(capsys: pytest.CaptureFixture[str]) -> None:
    configs: list[Config] = []

    def supervise(config: Config, /, *, announce: Announce, admin: Admin | None) -> int:
        configs.append(config)
        assert admin is None
        announce(["127.0.0.1:1"], "main:app", "asgi")
        return 4

    servers = Servers()
    arguments = ["serve", "main:app", "--workers", "2"]
    assert main(arguments, make_server=servers, supervise=supervise) == 4
    assert servers == []
    assert configs[0].workers == 2
    assert capsys.readouterr().err == (
        "INFO:     Serving main:app (ASGI) on http://127.0.0.1:1 (2 workers, HTTP/1.1 and HTTP/2)\n"
    )
    assert Config.from_json(configs[0].to_json()) == configs[0]


def test_an_environment_file_counts_as_environment(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(
        "main.py", "import os\nasync def app(scope, receive, send): ...\napp.a = os.environ['A']"
    )
    project(".env", "A=1\nOXBRIDGE_PORT=1\nOXBRIDGE_BACKLOG=1\nWEB_CONCURRENCY=1\n")
    project("o.toml", "port = 3\nqueue = 3\nbacklog = 3\nenv-file = '.env'\n")
    monkeypatch.setenv("OXBRIDGE_BACKLOG", "2")
    monkeypatch.delenv("A", raising=False)
    servers = Servers()
    assert main(["serve", "main:app", "-c", "o.toml"], make_server=servers) == 0
    config = servers[0].config
    assert (config.port, config.backlog, config.queue) == (1, 2, 3)
    assert servers[0].app.a == "1"  # type: ignore[attr-defined]


@pytest.mark.parametrize("options", [{"workers": 2}, {"reload": True}])
def test_serve_needs_text_for_workers(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="app must be text such as 'module:app' for workers"):
        oxbridge.serve(lambda environ, start_response: [], **options)


@pytest.mark.usefixtures("project")
def test_serve_reads_the_environment_as_uvicorn_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    with pytest.raises(ConfigError, match=r"^\$WEB_CONCURRENCY must be a whole number"):
        oxbridge.serve(lambda environ, start_response: [])
