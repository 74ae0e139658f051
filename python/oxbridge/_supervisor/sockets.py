"""The listening sockets: the supervisor's from the first worker's start to the last one's end."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

from oxbridge._supervisor.unix import SocketFile

# How often to look for a port that is free on all addresses of a name.
PORT_ATTEMPTS = 16
# SD_LISTEN_FDS_START of sd_listen_fds(3).
FIRST_PASSED = 3


class Listening:
    """Every socket that workers accept from, bound once and closed with the `with` block."""

    def __init__(self, binds: Iterable[str], backlog: int, uds_mode: int | None) -> None:
        """Bind all of them, or none.

        Raises:
            OSError: An address cannot be listened on; one sentence says which one and why.
            ValueError: An address is malformed.
        """
        self.sockets: list[socket.socket] = []
        self._files: list[SocketFile] = []
        try:
            for bind in binds:
                kind, _, rest = bind.partition(":")
                if kind == "unix":
                    self._files.append(SocketFile(rest, backlog, uds_mode))
                    self.sockets.append(self._files[-1].socket)
                elif kind == "fd":
                    self.sockets.append(_adopt(_number(rest, bind), bind, backlog))
                elif bind == "systemd":
                    self.sockets.extend(_activated(backlog))
                else:
                    self.sockets.extend(_bind_tcp(*_host_and_port(bind), backlog))
        except BaseException:
            self.close()
            raise

    @property
    def descriptors(self) -> list[int]:
        """Their numbers, here and in workers."""
        return [each.fileno() for each in self.sockets]

    @property
    def addresses(self) -> list[str]:
        """Where they listen: "127.0.0.1:5000", "[::1]:5000", "unix:/run/app.sock"."""
        return [_address(each) for each in self.sockets]

    def leave(self) -> None:
        """Close them here, once a server has its own hold on them; files stay until `close`."""
        for each in self.sockets:
            each.close()

    def close(self) -> None:
        """Close them, and remove the socket files."""
        for file in self._files:
            file.close()
        for each in self.sockets:
            each.close()

    def __enter__(self) -> Listening:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _bind_tcp(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Listen on every address of a host, all on one port; "" and "*" are every interface."""
    if host in ("", "*"):
        try:
            return [_open(socket.AF_INET6, ("::", port), backlog, v6_only=False)]
        except OSError as cause:
            if not _family_is_missing(cause):
                raise _refusal(host, port, "::", cause) from None
        host = "0.0.0.0"  # noqa: S104 (what was asked for)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as cause:
        why = cause.strerror if isinstance(cause, OSError) else cause
        sentence = f"cannot listen on {_written(host, port)}: no address found for it ({why})"
        raise OSError(errno.EADDRNOTAVAIL, sentence) from None
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    for _ in range(PORT_ATTEMPTS):
        with contextlib.suppress(_PortTaken):
            return _open_all(host, port, addresses, backlog)
    raise OSError(errno.EADDRINUSE, f"cannot listen on {_written(host, port)}: no port is free")


def _open_all(
    host: str, port: int, addresses: Sequence[tuple[int, tuple[object, ...]]], backlog: int
) -> list[socket.socket]:
    """One socket for each address, all on the port of the first."""
    opened: list[socket.socket] = []
    left_out: OSError | None = None
    with contextlib.ExitStack() as undo:
        for family, (ip, _, *rest) in addresses:
            chosen = opened[0].getsockname()[1] if opened else port
            try:
                # A "::" that took IPv4 too would be in the way of the name's own IPv4 address.
                v6_only = True if ip == "::" and len(addresses) > 1 else None
                opened.append(_open(family, (ip, chosen, *rest), backlog, v6_only=v6_only))
                undo.callback(opened[-1].close)
            except OSError as cause:
                if port == 0 and opened and cause.errno == errno.EADDRINUSE:
                    raise _PortTaken from None
                if not _family_is_missing(cause):
                    raise _refusal(host, port, str(ip), cause) from None
                left_out = _refusal(host, port, str(ip), cause)
        if left_out is not None and not opened:
            raise left_out
        undo.pop_all()
    return opened


class _PortTaken(Exception):
    """The port that the kernel chose for the first address is taken on another one."""


def _open(
    family: int, address: tuple[object, ...], backlog: int, *, v6_only: bool | None
) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        # So that a restart need not wait for the TIME_WAIT of the last run's connections.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if v6_only is not None:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6_only))
        opened.bind(address)
        opened.listen(backlog)
    except BaseException:
        opened.close()
        raise
    return opened


def _activated(backlog: int) -> Iterator[socket.socket]:
    """The sockets that systemd hands over: sd_listen_fds(3)."""
    meant, count = os.environ.get("LISTEN_PID", ""), os.environ.get("LISTEN_FDS", "")
    if not meant or not count:
        why = "LISTEN_PID and LISTEN_FDS are not set: nothing started this process with sockets"
        raise OSError(errno.EINVAL, f"cannot listen on systemd: {why}")
    if meant != str(os.getpid()):
        why = f"LISTEN_PID is {meant}, but this is process {os.getpid()}"
        raise OSError(errno.EINVAL, f"cannot listen on systemd: {why}")
    if not (count.isascii() and count.isdigit() and int(count) > 0):
        raise OSError(errno.EINVAL, f"cannot listen on systemd: LISTEN_FDS is {count!r}")
    for number in range(FIRST_PASSED, FIRST_PASSED + int(count)):
        yield _adopt(number, "systemd", backlog)


def _adopt(number: int, bind: str, backlog: int) -> socket.socket:
    """Take a socket that was inherited. The number itself stays open, and out of workers."""
    try:
        adopted = socket.socket(fileno=os.dup(number))
        os.set_inheritable(number, False)
    except OSError as cause:
        problem = "is not open" if cause.errno == errno.EBADF else "is not a socket"
        why = f"descriptor {number} {problem}; wanted a TCP or Unix socket"
        raise OSError(cause.errno, f"cannot listen on {bind}: {why}") from None
    families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    try:
        if adopted.type != socket.SOCK_STREAM or adopted.family not in families:
            raise OSError(errno.EINVAL, "it is no stream socket of TCP or Unix")
        if not adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            if _is_unbound(adopted):
                raise OSError(errno.EINVAL, "it is bound to no address")
            adopted.listen(backlog)
    except OSError as cause:
        adopted.close()
        why = f"descriptor {number} cannot be used: {cause.strerror}"
        raise OSError(cause.errno, f"cannot listen on {bind}: {why}") from None
    return adopted


def _is_unbound(adopted: socket.socket) -> bool:
    """Whether `listen` would choose a port, or fail, since nobody has bound the socket."""
    name = adopted.getsockname()
    return not name if adopted.family == socket.AF_UNIX else name[1] == 0


def _host_and_port(bind: str) -> tuple[str, int]:
    """Split "host:port" and take the brackets off an IPv6 address."""
    host, colon, port = bind.rpartition(":")
    number = _number(port, bind)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{bind!r} is no address to listen on: an IPv6 address needs brackets")
    if not colon or number > 65535:
        raise ValueError(f"{bind!r} is no address to listen on: wanted host:port")
    return host, number


def _number(text: str, bind: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{bind!r} is no address to listen on: {text!r} is not a number")
    return int(text)


def _refusal(host: str, port: int, ip: str, cause: OSError) -> OSError:
    where = _written(host, port)
    if host not in (ip, "", "*"):
        where += f" ({ip})"
    why = {
        errno.EADDRINUSE: "address already in use",
        errno.EADDRNOTAVAIL: "no interface of this machine has that address",
        errno.EACCES: "permission denied"
        + (" (ports below 1024 need a privilege)" if 0 < port < 1024 else ""),
    }.get(cause.errno or 0, cause.strerror or str(cause))
    return OSError(cause.errno, f"cannot listen on {where}: {why}")


def _family_is_missing(cause: OSError) -> bool:
    """Whether the machine lacks the address, or its family, as "::1" where IPv6 is switched off."""
    return cause.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _address(listening: socket.socket) -> str:
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        path = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
        return "unix:" + (f"@{path[1:]}" if path.startswith("\0") else path)
    return _written(name[0], name[1])
