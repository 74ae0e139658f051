"""A server as an object: where it listens, what it serves, when it starts and stops."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Unpack

from oxbridge._life import Life
from oxbridge._oxbridge import Tls
from oxbridge.mux import Mux, default_mux
from oxbridge.options import SHUTDOWN_TIMEOUT, Options, checked, seconds


class Server:
    """A server for one mux. A program may have several.

        with Server(mux) as server:
            print(server.url)

    Starting binds the addresses and returns; requests are answered on threads of the server's own.
    A server that has stopped can be started again. One that still runs when the interpreter ends
    is cut. After `os.fork` the child has no server: start servers after forking.

    Any thread may call any method. A handler must not wait for its own server to stop, so it calls
    `begin_stop`.
    """

    def __init__(
        self,
        mux: Mux | None = None,
        *,
        host: str = "127.0.0.1",
        port: int | str = 0,
        bind: str | Iterable[str] | None = None,
        tls: Tls | None = None,
        **options: Unpack[Options],
    ) -> None:
        """Describe a server; nothing is opened yet.

        Args:
            mux: What to serve; `default_mux` if none is given.
            host: Address or name to listen on; "" is every interface.
            port: Port to listen on, also as digits; 0 lets the system choose.
            bind: Addresses to listen on instead of host and port: "host:port", "unix:/path",
                "fd:3" (a socket that was inherited), "systemd" (socket activation).
            tls: Certificates; the server then speaks HTTPS, HTTP/2 included.
            **options: See `Options`.

        Raises:
            TypeError: An option is unknown or of a wrong type.
            ValueError: A value is out of range.
        """
        if mux is not None and not isinstance(mux, Mux):
            raise TypeError(f"mux must be an oxbridge.Mux, not {mux!r}")
        if tls is not None and not isinstance(tls, Tls):
            raise TypeError(f"tls must be an oxbridge.Tls, not {tls!r}")
        self._mux = default_mux if mux is None else mux
        self._binds = [_address(host, port)] if bind is None else _addresses(bind)
        self._tls = tls
        self._options = checked(options)
        self._shutdown_timeout = options.get("shutdown_timeout", SHUTDOWN_TIMEOUT)
        self._life: Life | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Bind the addresses and start to serve.

        Raises:
            OSError: An address cannot be listened on; the message says which one and why.
            RuntimeError: The server runs already.
            ValueError: A bind address is malformed.
        """
        self._start()

    def begin_stop(self, timeout: float | None = None) -> None:
        """Start to stop, and return at once; a handler may call it.

        No new connections are taken, and requests that are being handled may finish. What is left
        after `timeout` seconds (the option shutdown_timeout unless given) is cut. A later call can
        only shorten the time. Does nothing if the server does not run.
        """
        timeout = self._shutdown_timeout if timeout is None else seconds("timeout", timeout)
        if self._life is not None:
            self._life.begin_stop(timeout)

    def stop(self, timeout: float | None = None) -> bool:
        """Stop, as `begin_stop` does, and wait until it is done.

        Returns:
            False if a handler still runs: threads cannot be cut, they end when their handler does.
        """
        life = self._life
        self.begin_stop(timeout)
        return True if life is None else life.wait_stopped()

    def wait(self) -> None:
        """Wait until the server has stopped. Returns at once if it does not run."""
        if self._life is not None:
            self._life.wait()

    def reload_tls(self) -> None:
        """Read certificates and key from their files again; new connections get them.

        Raises:
            OSError: A file cannot be read. The old certificates stay in force.
            RuntimeError: The server does not run.
            ValueError: A file does not hold what it should. The old certificates stay in force.
        """
        self._running().core.reload_tls()

    @property
    def running(self) -> bool:
        """Whether the server takes new connections."""
        return self._life is not None and not self._life.stopping

    @property
    def addresses(self) -> list[str]:
        """Where it listens: "127.0.0.1:5000", "unix:/run/app.sock". Empty if it does not run."""
        return self._life.core.addresses if self._life is not None and self.running else []

    @property
    def url(self) -> str:
        """The URL of its first TCP address, without a slash at the end; else its first address.

        Raises:
            RuntimeError: The server does not run.
        """
        core = self._running().core
        return core.url or core.addresses[0]

    @property
    def port(self) -> int:
        """Its first TCP port.

        Raises:
            RuntimeError: The server does not run, or listens on no TCP port.
        """
        for address in self._running().core.addresses:
            port = address.rpartition(":")[2]
            if not address.startswith("unix:") and port.isdigit():
                return int(port)
        raise RuntimeError(f"the server listens on no TCP port, only on {self.url}")

    def __enter__(self) -> Server:
        """Start, unless it runs already."""
        if not self.running:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, whatever happened."""
        self.stop()

    def __repr__(self) -> str:
        where = ", ".join(self.addresses) or "not running"
        return f"<oxbridge.Server {where}>"

    def _start(self) -> Life:
        with self._starting:
            if self._life is not None and not self._life.done.is_set():
                where = ", ".join(self.addresses)
                state = f"runs already, on {where}" if where else "has not stopped yet"
                raise RuntimeError(f"the server {state}")
            self._life = Life(self._mux, self._binds, self._tls, self._options)
            return self._life

    def _running(self) -> Life:
        if self._life is None or not self.running:
            raise RuntimeError("the server does not run")
        return self._life


def _address(host: str, port: int | str) -> str:
    """Join host and port into one address."""
    if not isinstance(host, str):
        raise TypeError(f"host must be a str, not {host!r}")
    if isinstance(port, str) and port.isascii() and port.isdigit():
        port = int(port)
    if isinstance(port, bool) or not isinstance(port, int):
        kind = ValueError if isinstance(port, str) else TypeError
        raise kind(f"port must be a number from 0 to 65535, not {port!r}")
    if not 0 <= port <= 65535:
        raise ValueError(f"port must be a number from 0 to 65535, not {port}")
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _addresses(bind: str | Iterable[str]) -> list[str]:
    """Take one address or several."""
    addresses = [bind] if isinstance(bind, str) else list(bind)
    if not addresses:
        raise ValueError("bind must name at least one address")
    for address in addresses:
        if not isinstance(address, str):
            raise TypeError(f"bind must hold addresses such as '127.0.0.1:80', not {address!r}")
    return addresses
