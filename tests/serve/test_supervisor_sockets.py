"""The supervisor's listening sockets, without workers."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from oxbridge._supervisor.sockets import Listening


def listening(*binds: str, uds_mode: int | None = None) -> Listening:
    return Listening(binds, 16, uds_mode)


def reach(address: str) -> None:
    """Connect."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("\0" + path[1:] if path.startswith("@") else path)
    else:
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), 10).close()


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "[::1]:0", ":0", "*:0", "[::]:0", "localhost:0"])
def test_addresses_can_be_reached(bind: str) -> None:
    with listening(bind) as opened:
        assert opened.addresses
        for address in opened.addresses:
            reach(address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]"))
        ports = {address.rpartition(":")[2] for address in opened.addresses}
        assert len(ports) == 1
    assert all(number == -1 for number in opened.descriptors), "closed"


def test_every_interface_takes_ipv4_too() -> None:
    with listening(":0") as opened:
        port = opened.addresses[0].rpartition(":")[2]
        reach(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("bind", "message"),
    [
        ("127.0.0.1", "'127.0.0.1' is no address"),
        ("127.0.0.1:http", "'http' is not a number"),
        ("127.0.0.1:70000", "wanted host:port"),
        ("::1:80", "an IPv6 address needs brackets"),
        ("fd:x", "'x' is not a number"),
    ],
)
def test_malformed_addresses(bind: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        listening(bind)


def test_what_is_taken_or_missing_is_named() -> None:
    with listening("127.0.0.1:0") as opened:
        (taken,) = opened.addresses
        with pytest.raises(
            OSError, match=f"^.*cannot listen on {taken}: address already in use$"
        ) as failed:
            listening("127.0.0.1:0", taken)
        assert failed.value.errno == errno.EADDRINUSE
    with pytest.raises(OSError, match=r"192\.0\.2\.1:0: no interface of this machine"):
        listening("192.0.2.1:0")
    with pytest.raises(OSError, match=r"no.such.host.invalid:0: no address found for it"):
        listening("no.such.host.invalid:0")


def test_socket_files(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with listening(f"unix:{path}", uds_mode=0o620) as opened:
        assert stat.S_IMODE(path.stat().st_mode) == 0o620
        assert opened.addresses == [f"unix:{path}"]
        reach(f"unix:{path}")
        with pytest.raises(OSError, match="in use: a process listens on that socket"):
            listening(f"unix:{path}")
        reach(f"unix:{path}")
    assert not path.exists()


def test_a_stale_socket_file_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
    with listening(f"unix:{path}"):
        reach(f"unix:{path}")
        path.unlink()
        path.write_text("somebody's")
        with pytest.raises(OSError, match="exists and is not a socket"):
            listening(f"unix:{path}")
    assert path.read_text() == "somebody's"


def test_a_full_backlog_is_not_stale(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with contextlib.ExitStack() as closed, socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        for _ in range(2):
            client = closed.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(str(path))
        with pytest.raises(OSError, match="a process listens on that socket"):
            listening(f"unix:{path}")
        assert path.exists()


def test_socket_paths_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="its directory does not exist"):
        listening(f"unix:{tmp_path}/no/app.sock")
    with pytest.raises(OSError, match="bytes long, which is too long"):
        listening(f"unix:{tmp_path}/{'x' * 200}")


def test_abstract_names() -> None:
    name = f"unix:@oxbridge-test-{os.getpid()}"
    with listening(name) as opened:
        assert opened.addresses == [name]
        reach(name)
        with pytest.raises(OSError, match="address already in use"):
            listening(name)


def test_inherited_sockets() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as passed,
        listening(f"fd:{passed.fileno()}") as opened,
    ):
        assert not passed.get_inheritable()
        reach(opened.addresses[0])
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with listening(f"fd:{bound.fileno()}") as opened:
            reach(opened.addresses[0])


def test_descriptors_that_are_no_listening_sockets() -> None:
    with socket.socket() as unbound, pytest.raises(OSError, match="bound to no address"):
        listening(f"fd:{unbound.fileno()}")
    datagrams = socket.socket(type=socket.SOCK_DGRAM)
    with datagrams, pytest.raises(OSError, match="no stream socket"):
        listening(f"fd:{datagrams.fileno()}")
    with pytest.raises(OSError, match="descriptor 999 is not open"):
        listening("fd:999")
    with open(os.devnull) as file, pytest.raises(OSError, match="is not a socket"):
        listening(f"fd:{file.fileno()}")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        pytest.raises(OSError, match=f"cannot listen on fd:{client.fileno()}: "),
    ):
        listening(f"fd:{client.fileno()}")


def test_activation_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LISTEN_PID", raising=False)
    with pytest.raises(OSError, match="are not set"):
        listening("systemd")
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    with pytest.raises(OSError, match="LISTEN_PID is 1, but this is process"):
        listening("systemd")
