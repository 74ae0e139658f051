"""What a service manager is told, by the protocol of sd_notify(3)."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised import command, connect, send, write_app

from oxbridge._supervisor.notify import ServiceManager
from serving import Serve, Served

BOUND = 20.0
ALONE = {"workers": 1, "worker_timeout": None}
WAYS = pytest.mark.parametrize("settings", [ALONE, {}], ids=["alone", "supervised"])


class Manager:
    """A service manager that listens."""

    def __init__(self, address: str) -> None:
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.line.bind(address)
        self.line.settimeout(BOUND)

    def next(self, *, beats: bool = False) -> str:
        """Wait for what it is told next; signs of life count only where they are asked for."""
        while True:
            said = self.line.recv(4096).decode()
            if beats or said != "WATCHDOG=1":
                return said

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        self.line.settimeout(seconds)
        try:
            self.line.recv(4096)
        except TimeoutError:
            return True
        finally:
            self.line.settimeout(BOUND)
        return False


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_app(tmp_path)
    return tmp_path


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    with manager.line:
        yield manager


def started(serve: Serve, directory: Path, env: dict[str, str], **settings: object) -> Served:
    return serve(
        *command(directory, **settings),  # type: ignore[arg-type]
        cwd=directory,
        env={"NOTIFY_SOCKET": str(directory / "notify"), **env},
    )


@WAYS
def test_it_is_told_of_the_start_and_the_end(
    serve: Serve, directory: Path, manager: Manager, settings: dict[str, object]
) -> None:
    served = started(serve, directory, {}, app="app:asgi", **settings)
    assert manager.next() == "READY=1"
    send(served, signal.SIGTERM)
    assert manager.next() == "STOPPING=1"
    assert served.wait() == 0


def test_it_is_told_of_a_reload_whether_it_works_or_not(
    serve: Serve, directory: Path, manager: Manager
) -> None:
    served = started(serve, directory, {})
    assert manager.next() == "READY=1"
    for source in ("", "raise RuntimeError('broken')"):
        write_app(directory, source) if source else write_app(directory, version="two")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        send(served, signal.SIGHUP)
        told = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", manager.next())
        assert told is not None
        assert int(told[1]) >= before
        assert manager.next() == "READY=1"
    served.wait_for_line("Reloading was given up")
    assert served.stop() == 0
    assert manager.next() == "STOPPING=1"


@WAYS
def test_signs_of_life_come_as_often_as_they_are_asked_for(
    serve: Serve, directory: Path, manager: Manager, settings: dict[str, object]
) -> None:
    served = started(serve, directory, {"WATCHDOG_USEC": "2000000"}, app="app:asgi", **settings)
    begun = time.monotonic()
    signs = 0
    while signs < 3:
        signs += manager.next(beats=True) == "WATCHDOG=1"
    assert time.monotonic() - begun < 10
    assert served.stop() == 0


def test_a_loop_that_hangs_gives_no_sign(serve: Serve, directory: Path, manager: Manager) -> None:
    served = started(serve, directory, {"WATCHDOG_USEC": "2000000"}, app="app:asgi", **ALONE)
    while manager.next(beats=True) != "WATCHDOG=1":
        pass
    connection = connect(served.url)
    connection.request("GET", "/hang")
    # What was on its way when the request came counts for nothing.
    while not manager.silent_for(2.5):
        pass
    connection.close()
    served.kill()


@pytest.mark.parametrize(
    ("environ", "beat"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_a_watchdog_is_somebodys(environ: dict[str, str], beat: float | None) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/none", **environ}).beat == beat
    # Nobody to tell.
    assert ServiceManager(environ).beat is None


def test_an_abstract_name_will_do(tmp_path: Path) -> None:
    name = f"oxbridge-{tmp_path.name}-{time.monotonic_ns()}"
    manager = Manager(f"\0{name}")
    with manager.line:
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert manager.next() == "READY=1"


def test_a_manager_that_has_gone_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager({"NOTIFY_SOCKET": "/no/such/socket"}).ready()
    assert "cannot be told READY: No such file or directory" in caplog.text
    caplog.clear()
    ServiceManager({"NOTIFY_SOCKET": "vsock:2:1"}).ready()
    assert "NOTIFY_SOCKET is 'vsock:2:1'" in caplog.text
