"""The server, written in Rust. Use what `oxbridge` exports; the rest is not for programs."""

from asyncio import AbstractEventLoop, Future, Task
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, final, overload, type_check_only

from typing_extensions import disjoint_base

from oxbridge.cache._peers import Peers
from oxbridge.cache._redis import Redis
from oxbridge.cache._stats import Stats

__all__ = [
    "Admin",
    "AsgiApp",
    "BadBody",
    "BodyTimeout",
    "BodyTooLarge",
    "CacheClosed",
    "CacheDelivery",
    "CacheError",
    "CacheFollowing",
    "CacheInstance",
    "CacheListener",
    "CacheTier",
    "CacheWakeups",
    "ClientGone",
    "Core",
    "Group",
    "Headers",
    "Metrics",
    "Mux",
    "NotFound",
    "Part",
    "Parts",
    "PatternError",
    "PeerError",
    "ProtocolClosed",
    "ProtocolError",
    "RemoteError",
    "Request",
    "ResponseEnded",
    "ResponseWriter",
    "RsgiApp",
    "TierError",
    "Tls",
    "TlsInfo",
    "Turns",
    "Unsupported",
    "Values",
    "WsgiApp",
]

_K = TypeVar("_K", bound=str | bytes)
_V = TypeVar("_V")

class PatternError(ValueError):
    """A pattern is malformed or conflicts with another.

    The message shows the patterns, where each was registered, and a path that both match.
    """

class ResponseEnded(RuntimeError):
    """The response has ended, or its head has been sent: what was to change no longer can."""

class ClientGone(ConnectionError):
    """The client has closed the connection or reset the stream, or was cut off by a time limit."""

class BodyTooLarge(ValueError):
    """The request's body is longer than the option max_body. Let through, it is answered 413."""

class BodyTimeout(TimeoutError):
    """Nothing came of the request body for `body_timeout`. Unhandled, the answer is 408."""

class BadBody(ValueError):
    """The request's body is not what it should be. Let through, it is answered 400."""

class ProtocolError(RuntimeError):
    """An RSGI protocol object was used in a way that its state does not allow."""

class ProtocolClosed(RuntimeError):
    """The client of an RSGI protocol object has gone, or its WebSocket is closed."""

@final
class Headers:
    """Header fields: a mapping of names, in any case, to the first value of each.

    Those of a request cannot be changed (TypeError), those of a response only until its head is
    sent (ResponseEnded).
    """

    def __getitem__(self, name: str, /) -> str:
        """The first value. Raises KeyError if there is none."""
    def __setitem__(self, name: str, value: str | bytes | int, /) -> None:
        """Replace all values of a name by one. Raises ValueError if it cannot be sent."""
    def __delitem__(self, name: str, /) -> None:
        """Remove all values of a name. Raises KeyError if there is none."""
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self, /) -> Iterator[str]:
        """Each name once, written as in "Content-Type"."""
    def __len__(self, /) -> int:
        """How many names there are."""
    @overload
    def get(self, name: str, default: None = None) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str:
        """The first value, or `default`."""
    def get_all(self, name: str) -> list[str]:
        """All values of a name, in order; empty if there is none."""
    def add(self, name: str, value: str | bytes | int) -> None:
        """Add a value beside those that are there."""
    def keys(self) -> list[str]:
        """Each name once, written as in "Content-Type"."""
    def values(self) -> list[str]:
        """The first value of each name."""
    def items(self) -> list[tuple[str, str]]:
        """All fields; a repeated name comes once for each value."""

@final
class Values:
    """Names and values of a query or a form: a mapping of names to the first value of each."""

    def __getitem__(self, name: str, /) -> str:
        """The first value. Raises KeyError if there is none."""
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self, /) -> Iterator[str]:
        """Each name once, in order."""
    def __len__(self, /) -> int:
        """How many names there are."""
    @overload
    def get(self, name: str, default: None = None) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str:
        """The first value, or `default`."""
    def get_all(self, name: str) -> list[str]:
        """All values of a name, in order; empty if there is none."""
    def keys(self) -> list[str]:
        """Each name once, in order."""
    def values(self) -> list[str]:
        """The first value of each name."""
    def items(self) -> list[tuple[str, str]]:
        """All pairs; a repeated name comes once for each value."""

@final
class Part:
    """One part of a multipart body. It can be read until the next part is asked for."""

    @property
    def name(self) -> str | None:
        """The name of the form field."""
    @property
    def filename(self) -> str | None:
        """The file's name as the client gave it, for a file. Never use it as a path."""
    @property
    def content_type(self) -> str | None:
        """Its Content-Type, as the client gave it."""
    @property
    def headers(self) -> Headers:
        """All its header fields."""
    def read(self, n: int = ...) -> bytes:
        """At most `n` bytes, at least one; b"" at the end. By default all that is left."""
    def __iter__(self, /) -> Iterator[bytes]:
        """The part in pieces, as they arrive."""
    def __next__(self, /) -> bytes: ...

@final
class Parts:
    """The parts of a multipart body, one after the other, as they arrive."""

    def __iter__(self, /) -> Iterator[Part]: ...
    def __next__(self, /) -> Part: ...

@final
class TlsInfo:
    """Facts of the TLS session that a request came in."""

    @property
    def version(self) -> str:
        """The protocol: "TLSv1.3"."""
    @property
    def cipher(self) -> str:
        """The cipher suite, by its IANA name."""
    @property
    def server_name(self) -> str | None:
        """The name that the client asked for (SNI)."""
    @property
    def alpn(self) -> str | None:
        """The protocol agreed on: "h2", "http/1.1"."""
    @property
    def client_cert(self) -> bytes | None:
        """The client's own certificate in DER form, once an authority has vouched for it."""

@final
class Tls:
    """Certificates of a server, from PEM files."""

    def __new__(
        cls,
        cert: str | PathLike[str],
        key: str | PathLike[str],
        client_ca: str | PathLike[str] | None = None,
        *,
        client_optional: bool = False,
        client_crls: Sequence[str | PathLike[str]] = ...,
        password: str | bytes | None = None,
        others: Sequence[tuple[str | PathLike[str], str | PathLike[str]]] = ...,
        min_version: Literal["1.2", "1.3"] | None = None,
        ciphers: str | None = None,
    ) -> Tls:
        """Name the files; a server reads them when it starts.

        `cert` holds the server's certificate and those between it and the authority, `key` its
        private key. With `client_ca`, a file of authorities, clients must show a certificate that
        one of them has signed; with `client_optional` they may also show none. `client_crls` are
        files of revocation lists: with any, a client is refused whose certificate is on one, and
        one whose issuer has none here that is still good.

        `password` unlocks private keys in PKCS#8 (`ENCRYPTED PRIVATE KEY`). `others` are more
        pairs of certificate and key, for clients that ask for one of the names in them.
        `min_version` is the oldest TLS that is spoken, "1.2" unless "1.3" is asked for. `ciphers`
        are names of suites, as IANA or OpenSSL write them, the most wanted first; "DEFAULT", and
        OpenSSL's "TLSv1" and the like, are all that there are.

        Starting the server raises OSError if a file cannot be read, ValueError if it does not hold
        what it should.
        """
    @property
    def cert(self) -> Path: ...
    @property
    def key(self) -> Path: ...
    @property
    def client_ca(self) -> Path | None: ...
    @property
    def client_crls(self) -> list[Path]: ...
    @property
    def others(self) -> list[tuple[Path, Path]]: ...
    @property
    def min_version(self) -> Literal["1.2", "1.3"]: ...
    @property
    def ciphers(self) -> str | None: ...
    @property
    def client_optional(self) -> bool: ...

@final
class Request:
    """What a client asked for."""

    @property
    def method(self) -> str:
        """ "GET", "POST"; case counts."""
    @property
    def url(self) -> str:
        """The request's target: "/path?query"."""
    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
    @property
    def raw_path(self) -> str:
        """The path as the client wrote it, without the query."""
    @property
    def host(self) -> str:
        """The host that the client asked for, with its port if it named one; "" without."""
    @property
    def scheme(self) -> Literal["http", "https"]:
        """Whether the connection is encrypted; or, from a trusted proxy, what its client speaks."""
    @property
    def proto(self) -> str:
        """ "HTTP/1.0", "HTTP/1.1", "HTTP/2.0"."""
    @property
    def headers(self) -> Headers:
        """The header fields; they cannot be changed."""
    @property
    def trailers(self) -> Headers:
        """The fields after the body. Empty before the whole body has been read."""
    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the client sent."""
    @property
    def query(self) -> Values:
        """The values of the URL's query."""
    @property
    def pattern(self) -> str:
        """The pattern that the request matched."""
    def path_value(self, name: str) -> str:
        """What the pattern's wildcard `name` stands for, percent-decoded; "" if it has none."""
    @property
    def remote_addr(self) -> str:
        """The address of the other end: "127.0.0.1:40123"; of a proxy, if there is one.

        Where the server trusts that proxy, it is the address of the client that the proxy names,
        with port 0 if it does not say it.
        """
    @property
    def local_addr(self) -> str:
        """The address that the server listens on."""
    @property
    def tls(self) -> TlsInfo | None:
        """Facts of the TLS session; None without TLS."""
    @property
    def content_length(self) -> int | None:
        """The length of the body, 0 without one; None if the client did not say."""
    @property
    def body(self) -> bytes:
        """The whole body, read on first use and kept.

        Raises BodyTooLarge, BadBody or ClientGone.
        """
    @property
    def form(self) -> Values:
        """The values of the query and of an HTML form in the body, without uploaded files.

        Reads the body. Raises BodyTooLarge, BadBody or ClientGone.
        """
    def json(self) -> Any:
        """The whole body, as JSON. Raises BodyTooLarge, BadBody or ClientGone."""
    def read(self, n: int = ...) -> bytes:
        """At most `n` bytes of the body, at least one; b"" at the end. By default the rest.

        Waits for them. Raises BodyTooLarge, BadBody or ClientGone.
        """
    def readline(self) -> bytes:
        """The next line with its newline; b"" at the end. Raises as `read`."""
    def __iter__(self, /) -> Iterator[bytes]:
        """The body in pieces, as they arrive. Raises as `read`."""
    def __next__(self, /) -> bytes: ...
    def multipart(self) -> Parts:
        """The parts of a multipart body, as they arrive; nothing is kept.

        Raises BadBody if the body is not multipart, and what `read` raises.
        """
    def aread(self, n: int = ...) -> Awaitable[bytes]:
        """As `read`, for coroutines."""
    def __aiter__(self, /) -> AsyncIterator[bytes]:
        """The body in pieces, as they arrive, for coroutines."""
    def poll_read(self, callback: Callable[[], object], n: int = ...) -> bytes | None:
        """What can be read now, at most `n` bytes; b"" at the end.

        None if that is nothing: then `callback` is called once, from some thread, when there is.
        """

@final
class ResponseWriter:
    """The answer to one request.

    The status is 200 unless set. Head and body go out together when the handler returns; a long
    answer, or one that is flushed, is streamed. Content-Type is guessed from the first bytes unless
    set. Once the head has been sent, changing it raises ResponseEnded.
    """

    @property
    def status(self) -> int:
        """The status that is sent, or was."""
    @property
    def header(self) -> Headers:
        """The header fields of the answer."""
    @property
    def trailer(self) -> Headers:
        """Fields to send after the body.

        In HTTP/1.1 they reach clients that said `TE: trailers`, if a `Trailer` header names them.
        """
    @property
    def written(self) -> int:
        """How many bytes have been written."""
    @property
    def client_gone(self) -> bool:
        """Whether the client has gone, so that nobody reads what is written.

        A client that closes its sending side while it waits counts as gone in HTTP/1, as it does
        for most servers: the two cannot be told apart until something is written.
        """
    def set_status(self, code: int) -> None:
        """Set the status. 100 to 199 are sent at once, with the header fields set so far."""
    def write_header(self, code: int) -> None:
        """Set the status: Go's name for `set_status`."""
    def write(self, data: str | bytes | bytearray | memoryview) -> int:
        """Write a piece of the body, str as UTF-8, and return how many bytes it has.

        Waits while too much is on its way to a slow client, unless the handler may not block: then
        it is queued. Raises ClientGone or ResponseEnded; ValueError past a declared Content-Length
        and under a status without a body.
        """
    def flush(self) -> None:
        """Send what has been written, now. Raises ClientGone or ResponseEnded."""
    def awrite(self, data: str | bytes | bytearray | memoryview) -> Awaitable[int]:
        """As `write`, for coroutines: waits until there is room."""
    def aflush(self) -> Awaitable[None]:
        """As `flush`, for coroutines: also waits until there is room for more."""
    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        path: str | None = ...,
        domain: str | None = None,
        max_age: int | None = None,
        expires: datetime | float | None = None,
        secure: bool = False,
        http_only: bool = False,
        same_site: str | None = None,
    ) -> None:
        """Add a Set-Cookie field. Its path is "/" unless given.

        `max_age` is in seconds, `expires` a datetime or seconds since 1970, `same_site` "lax",
        "strict" or "none". Raises ValueError for what a cookie cannot hold.
        """
    def redirect(self, url: str, code: int = 302) -> None:
        """Send the client to another URL, which may be relative to the request's path."""
    def error(self, message: str, code: int) -> None:
        """Answer with a status and a line of plain text."""
    def json(self, obj: object, code: int | None = None) -> None:
        """Answer with JSON."""
    def serve_file(self, path: str | PathLike[str]) -> None:
        """Answer with a file: its type by name, ranges, and "not modified" where that is so.

        Raises what `open` would; let through, a missing file is answered 404, one that may not be
        read 403. Coroutines and handlers with blocking=False serve at most 1 MiB. The path is taken
        as it is: never build it from what a client sent without checking.
        """
    def poll_room(self, callback: Callable[[], object]) -> bool:
        """Whether there is room to write.

        If not, `callback` is called once, from some thread, when there is or the client has gone.
        """
    def finish(self) -> None:
        """End the answer of a coroutine."""
    def fail(self, status: int) -> None:
        """Give the answer of a coroutine up: by a status if nothing was sent, else by a cut."""

@disjoint_base
class Mux:
    """Patterns and what stands behind them: see `oxbridge.Mux`."""

    def __new__(cls) -> Mux: ...
    def handle(
        self,
        pattern: str,
        fn: Callable[[ResponseWriter, Request], object],
        blocking: bool = True,
        location: str = "unknown",
    ) -> None: ...
    def handle_async(
        self,
        pattern: str,
        fn: Callable[[ResponseWriter, Request], object],
        location: str = "unknown",
    ) -> None: ...
    def mount(self, application: WsgiApp | AsgiApp | RsgiApp) -> None:
        """Have an application answer whatever no pattern matches, instead of any before it."""
    @property
    def patterns(self) -> list[str]: ...
    def __len__(self, /) -> int: ...

@final
class Core:
    """A server, below the Python parts: see `oxbridge.Server`."""

    def __new__(
        cls,
        mux: Mux,
        binds: list[str],
        tls: Tls | None = None,
        options: dict[str, object] | None = None,
        on_max_requests: Callable[[], object] | None = None,
        *,
        driver: Callable[[Callable[..., Any], ResponseWriter, Request], object] | None = None,
    ) -> Core:
        """Describe a server. `on_max_requests` is called once, from some thread, when the option
        max_requests has been reached. With a `driver` it has no I/O thread of its own: an event
        loop takes its `turns`, in which the driver is called to start a coroutine handler, with
        the function and its arguments."""
    def start(self) -> None:
        """Bind and serve. Raises OSError."""
    def begin_stop(self, timeout: float) -> None:
        """Start to stop; return at once."""
    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has stopped; False if that takes longer."""
    @property
    def addresses(self) -> list[str]: ...
    @property
    def url(self) -> str | None: ...
    @property
    def connections(self) -> int: ...
    @property
    def live_exchanges(self) -> int: ...
    def reload_tls(self) -> None:
        """Read the certificates again. Raises OSError or ValueError."""
    def reopen_access_log(self) -> None:
        """Open the access log's file again, after a rotation. Raises OSError."""
    @property
    def access_log_dropped(self) -> int:
        """How many lines of the access log were lost, since its sink was too slow or failed."""
    def async_fd(self) -> int | None:
        """A descriptor that can be read while something waits for `take_async`; None if driven."""
    def take_async(
        self,
    ) -> list[tuple[Callable[[ResponseWriter, Request], Any], ResponseWriter, Request]]:
        """Exchanges for coroutine handlers; those of an application are started meanwhile."""
    def run_soon(self, function: Callable[[], object]) -> None:
        """Have a function called once, where plain handlers run. Does nothing after the end."""
    def turns(self, fd: int) -> Turns:
        """Make the calling thread the one that drives the server; a turn also ends when `fd` can be
        read. Raises OSError, or RuntimeError if it does not run or is not driven."""

@final
class Turns:
    """The turns of a driven server, for the thread that made this alone."""

    def take(
        self, event_loop: AbstractEventLoop, ready: Sequence[object], timeout: float | None
    ) -> bool:
        """Serve until the loop has something to do, at most `timeout` seconds; whether the watched
        descriptor can be read. `ready` is the loop's queue of callbacks."""
    def stopped(self) -> bool:
        """Whether the server has come to the end of its stop."""

@final
class WsgiApp:
    """A WSGI application, for `Mux.mount`: see `oxbridge._wsgi`."""

    def __new__(
        cls,
        handle: Callable[[dict[str, Any], WsgiResponse], object],
        base: dict[str, Any],
        root_path: str = "",
        strips_root: bool = True,
    ) -> WsgiApp:
        """`handle` calls the application and sends what it gives; each environ begins as `base`.

        Without `strips_root`, the paths of requests come without `root_path`.
        """

@type_check_only
@final
class WsgiResponse:
    """The answer to one request of WSGI: `start_response`, and what sends the blocks."""

    def __call__(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[Any, Any, Any] | None = None,
        /,
    ) -> Callable[[bytes], None]:
        """Set the status and the header fields; return `write`."""
    def write(self, data: bytes) -> None:
        """Send a block now. Raises ClientGone."""
    def block(self, data: bytes) -> bool:
        """Send a block of the iterable; False if no more is wanted. Raises ClientGone."""
    def take(self, result: object) -> bool:
        """Answer with a list or tuple of blocks; False, and nothing happens, for anything else."""
    def send_file(self, fd: int, offset: int, length: int) -> None:
        """Send part of an open file. Raises OSError, ClientGone."""
    @property
    def content_length(self) -> int | None:
        """The Content-Length that the application set."""
    def finish(self) -> None:
        """End the answer."""

@final
class AsgiApp:
    """An ASGI application, for `Mux.mount`."""

    def __new__(
        cls,
        application: Callable[..., Any],
        state: dict[str, Any] | None,
        root_path: str = "",
        websockets: dict[str, Any] | None = None,
    ) -> AsgiApp:
        """Each request gets a copy of `state`, which lifespan left; None without a lifespan."""
    def run_on(
        self,
        start: Callable[..., Task[Any]],
        options: dict[str, Any] | None,
        create_future: Callable[[], Future[Any]],
        alive: set[Task[Any]],
    ) -> None:
        """Tell, once, which loop it runs on: what makes tasks of coroutines, with which keywords,
        what makes futures, and the set that holds the tasks that wait. Raises RuntimeError if it
        runs on one already."""

@final
class RsgiApp:
    """An RSGI application, for `Mux.mount`."""

    def __new__(
        cls, application: Callable[..., Any], websockets: dict[str, Any] | None = None
    ) -> RsgiApp: ...
    def run_on(
        self,
        start: Callable[..., Task[Any]],
        options: dict[str, Any] | None,
        create_future: Callable[[], Future[Any]],
        alive: set[Task[Any]],
    ) -> None:
        """As for `AsgiApp`."""

@final
class Metrics:
    """Counters of one process, among those of all that share them. Any thread may use it."""

    def __new__(cls) -> Metrics:
        """Make counters for this process alone."""
    @staticmethod
    def create_shared(slots: int) -> tuple[Metrics, int]:
        """Make counters for so many worker processes; return the supervisor's view of them and the
        descriptor of their memory, which workers open and the caller closes. Raises OSError or
        ValueError."""
    @staticmethod
    def open(fd: int, slot: int) -> Metrics:
        """Count, as this process, in a slot (from 0) of memory that another process has made; the
        descriptor may be closed afterwards. Raises OSError or ValueError."""
    @property
    def slots(self) -> int:
        """How many workers there may be."""
    def render(self) -> str:
        """Return all slots together in Prometheus' text format, version 0.0.4."""
    def retire_slot(self, slot: int) -> None:
        """Clear the slot of a worker that has ended; the sums stay. Raises ValueError."""

@final
class Admin:
    """A server with metrics, health and readiness, which serves once it is made. It runs no Python:
    a busy interpreter does not hold it up."""

    def __new__(
        cls,
        binds: list[str],
        metrics: Metrics,
        *,
        metrics_path: str = "/metrics",
        health_path: str = "/healthz",
        ready_path: str = "/readyz",
    ) -> Admin:
        """Bind and serve. Raises OSError, ValueError, PatternError."""
    @property
    def addresses(self) -> list[str]: ...
    @property
    def state(self) -> str:
        """What readiness checks are answered with: "starting" (503, at first), "ready" (200) or
        "draining" (503)."""
    @state.setter
    def state(self, state: str) -> None: ...
    def stop(self, timeout: float) -> bool:
        """Stop, and wait until it has; what is under way after `timeout` seconds is cut."""

class CacheError(Exception):
    """Something about a cache went wrong."""

class NotFound(CacheError):
    """There is no such thing. For getters to raise, and what callers get then."""

class RemoteError(CacheError):
    """The getter of the node that owns the key failed, and says this."""

class PeerError(CacheError):
    """Another node could not be reached, or did not answer as it should."""

class TierError(CacheError):
    """The second tier could not be changed, or did not answer: what was asked may or may not have
    been done."""

class Unsupported(CacheError):
    """The peers' dialect has no such operation."""

class CacheClosed(CacheError):
    """The instance is closed, or belongs to the process that this one was forked from."""

@final
class Group(Generic[_V]):
    """Keys, of which each node of the cluster keeps those that it owns, and where their values come
    from.

    Made by `Instance.group`. Keys are str, which stands for its UTF-8, or bytes. However many ask
    for a key at once, in plain code and in coroutines, it is loaded once. Methods that begin with
    "a" are for coroutines on asyncio; what they give can be awaited, gathered and made a task of.
    Where a method waits, other threads run, and Ctrl-C ends the wait, not the load.
    """

    @property
    def name(self) -> str:
        """The group's name, the same on every node."""
    def get(self, key: str | bytes, /) -> _V:
        """The value of a key: from here, from the node that owns it, or from the getter.

        Raises:
            CacheClosed: The instance is closed, now or while the value was loaded.
            NotFound: The getter says that there is none.
            RecursionError: So many getters wait for other keys that none could load this one.
            RemoteError: The getter of the node that owns the key raised something.
            RuntimeError: The wait would never end: a getter asks for its own key, or the getter is
                a coroutine function and this is the thread of an event loop.
            Exception: What the getter in this process raised.
        """
    def aget(self, key: str | bytes, /) -> Coroutine[object, None, _V]:
        """`get` for coroutines, to be called in one. A caller that is cancelled takes nothing from
        the others."""
    def get_many(self, keys: Iterable[_K], /) -> dict[_K, _V]:
        """The values of those keys that have one, loaded at the same time. Raises as `get`."""
    def aget_many(self, keys: Iterable[_K], /) -> Coroutine[object, None, dict[_K, _V]]:
        """`get_many` for coroutines."""
    def peek(self, key: str | bytes, /) -> _V | None:
        """The value of a key, if it is here. Loads nothing, never waits, and is not counted."""
    def set(self, key: str | bytes, value: _V, /, ttl: float | None = None) -> None:
        """Set the value of a key, for `ttl` seconds or for the group's time, in the whole cluster.

        When it returns, the node that owns the key has it, and what is being loaded does not take
        its place. Copies on other nodes stay until they expire, except in the dialect of
        groupcache-go.

        Raises:
            PeerError: The owner could not be told: nothing is set; or another node could not.
            TierError: The second tier could not be told: it may have been set, or not.
            TypeError: The value is not what the group's serializer takes.
            Unsupported: The dialect knows no set, and another node owns the key.
        """
    def aset(
        self, key: str | bytes, value: _V, /, ttl: float | None = None
    ) -> Coroutine[object, None, None]:
        """`set` for coroutines. It has begun when this returns, and goes on if the caller is
        cancelled.
        """
    def delete(self, key: str | bytes, /) -> None:
        """Take a key out of the caches of the whole cluster; one that is not there is no error.

        Raises:
            PeerError: A node could not be told; the others have been.
            TierError: The second tier could not be told.
            Unsupported: The dialect knows no delete, and there are other nodes.
        """
    def adelete(self, key: str | bytes, /) -> Coroutine[object, None, None]:
        """`delete` for coroutines. It has begun when this returns."""
    def delete_many(self, keys: Iterable[str | bytes], /) -> None:
        """Take many keys out. Raises as `delete`."""
    def adelete_many(self, keys: Iterable[str | bytes], /) -> Coroutine[object, None, None]:
        """`delete_many` for coroutines. It has begun when this returns."""
    def listen(
        self, function: Callable[[str, str | bytes | None, int], object], /
    ) -> CacheListener:
        """Have a function told what happens to keys here, as `function(kind, key, lost)`.

        `kind` is "loaded", "set", "deleted", "evicted", "cleared", or "lost" if it fell more than
        1,024 events behind and `lost` of them are not told; then, and for "cleared", `key` is None.
        Keys are what the getter takes. It is called on one of the instance's threads, one event
        after the other; loads do not wait for it, and what it raises goes to `sys.unraisablehook`.
        It ends with `close`, with the group, and with what this returns: keep that.
        """
    def clear(self) -> None:
        """Forget everything that this node keeps of the group. Other nodes keep theirs."""
    def clear_everywhere(self) -> None:
        """Forget everything that any node of the cluster keeps of the group.

        When it returns, nothing that was there is given any more by a node that can be reached.

        Raises:
            PeerError: A node could not be told; the others have been.
            Unsupported: There are other nodes and the dialect is one of Go's, or a second tier.
        """
    def aclear_everywhere(self) -> Coroutine[object, None, None]:
        """`clear_everywhere` for coroutines. It has begun when this returns."""
    def warm(self, keys: Iterable[str | bytes], /, at_once: int = 16) -> int:
        """Load keys that will be wanted, so many at a time; return how many have a value."""
    def awarm(
        self, keys: Iterable[str | bytes], /, at_once: int = 16
    ) -> Coroutine[object, None, int]:
        """`warm` for coroutines."""
    def stats(self) -> Stats:
        """What the group has done in this process; `json.dumps` takes it."""
    def _find(self, key: str | bytes, default: Any, /, counted: bool = True) -> Any: ...
    def _keep(self, key: str | bytes, value: Any, weight: int, /) -> None: ...
    def __class_getitem__(cls, key: Any) -> Any: ...

@final
class CacheInstance:
    """What `oxbridge.cache.Instance` is made of."""

    def __new__(cls, threads: int, peers: Peers | None) -> CacheInstance: ...
    def group(
        self,
        name: str,
        getter: Callable[[Any], Any],
        is_async: bool,
        keys: str,
        serializer: Any,
        loops: Any,
        max_bytes: int,
        ttl: float | None,
        negative_ttl: float | None,
        stale_for: float,
        tier: CacheTier | None,
    ) -> Group[Any]: ...
    def tier(self, settings: Redis) -> CacheTier: ...
    def follow(
        self,
        every: float,
        dns: str | None,
        file: str | PathLike[str] | None,
        registry: CacheTier | None,
    ) -> CacheFollowing: ...
    def remove_group(self, name: str) -> bool: ...
    def set_peers(self, addresses: list[str]) -> None: ...
    def snapshot(self) -> str | None: ...
    def prometheus(self) -> str: ...
    def owner(self, key: str | bytes) -> str | None: ...
    def serve(self, bind: str) -> str: ...
    def close(self, timeout: float) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def of_parent(self) -> bool: ...

@final
class CacheTier:
    """A second tier: see `oxbridge.cache.Redis`."""

    @property
    def is_listening(self) -> bool:
        """Whether changes that others make are told, and memory is believed."""

@final
class CacheFollowing:
    """Follows a list of peers until it is closed: see `oxbridge.cache.Instance.follow`."""

    def close(self) -> None:
        """Follow no longer; the peers stay as they are. A registry is told, for which this waits:
        no longer than the second tier may take."""

@final
class CacheListener:
    """Has a function told what happens to keys: see `Group.listen`."""

    def close(self) -> None:
        """Call the function no more. One call may be under way."""

@final
class CacheWakeups:
    """Wakes the coroutines of one event loop that wait for a cache."""

    def __new__(cls) -> CacheWakeups: ...
    def fileno(self) -> int:
        """What the loop watches."""
    def wake(self) -> None:
        """Wake the coroutines whose waits are over, on the loop's thread."""

@final
class CacheDelivery:
    """Takes what came of one load by a coroutine getter."""

    def value(self, value: Any) -> None: ...
    def error(self, error: BaseException) -> None: ...
