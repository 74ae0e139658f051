"""`Config`: everything that can be said about serving an application."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oxbridge._cli.options import BY_NAME, OPTIONS, Option
from oxbridge._cli.values import WrongValue
from oxbridge._oxbridge import Tls

__all__ = ["Config", "ConfigError"]

STDOUT = 1
UNBOUNDED = 365 * 86400.0


class ConfigError(ValueError):
    """A value is not what its option wants; the text is one sentence that says which and where."""


def _of(name: str) -> Any:
    """Field of an option of the table."""
    return dataclasses.field(default=BY_NAME[name].default)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How an application is served. Names and meanings are those of the command line's options.

    Times are in seconds, sizes in bytes. `python -m oxbridge serve --help` describes each field;
    text is read as it is there, so `Config(max_body="10M")` holds 10485760.

    Raises:
        ConfigError: A value is not what its option wants, or options contradict each other.
        TypeError: There is no such option.
    """

    app: Any = dataclasses.field(default=None, kw_only=False)
    """The application, or where it is: "module:attribute". Only the latter goes to workers."""

    interface: str = _of("interface")
    factory: bool = _of("factory")
    app_dir: str = _of("app_dir")
    root_path: str = _of("root_path")
    lifespan: str = _of("lifespan")
    loop: str = _of("loop")
    env_file: str | None = _of("env_file")
    name: str | None = _of("name")

    host: str = _of("host")
    port: int = _of("port")
    bind: tuple[str, ...] = _of("bind")
    uds: str | None = _of("uds")
    uds_mode: int | None = _of("uds_mode")
    fd: int | None = _of("fd")
    backlog: int = _of("backlog")

    workers: int = _of("workers")
    workers_as: str = _of("workers_as")
    threads: int = _of("threads")
    limit_max_requests: int | None = _of("limit_max_requests")
    limit_max_requests_jitter: int = _of("limit_max_requests_jitter")
    worker_max_lifetime: float | None = _of("worker_max_lifetime")
    worker_max_memory: int | None = _of("worker_max_memory")
    worker_timeout: float | None = _of("worker_timeout")
    timeout_worker_healthcheck: float = _of("timeout_worker_healthcheck")
    respawn_delay: float = _of("respawn_delay")
    respawn_max_delay: float = _of("respawn_max_delay")
    pid_file: str | None = _of("pid_file")

    reload: bool = _of("reload")
    reload_dirs: tuple[str, ...] = _of("reload_dirs")
    reload_includes: tuple[str, ...] = _of("reload_includes")
    reload_excludes: tuple[str, ...] = _of("reload_excludes")
    reload_delay: float = _of("reload_delay")

    headers: tuple[tuple[str, str], ...] = _of("headers")
    server_header: bool = _of("server_header")
    date_header: bool = _of("date_header")
    static: tuple[tuple[str, str], ...] = _of("static")
    compression: tuple[str, ...] = _of("compression")
    compression_min_size: int = _of("compression_min_size")

    proxy_headers: bool = _of("proxy_headers")
    forwarded_allow_ips: str = _of("forwarded_allow_ips")
    proxy_protocol: bool = _of("proxy_protocol")
    proxy_protocol_from: str | None = _of("proxy_protocol_from")

    limit_concurrency: int | None = _of("limit_concurrency")
    max_connections: int | None = _of("max_connections")
    queue: int = _of("queue")
    max_body: int | None = _of("max_body")
    buffer_body: int = _of("buffer_body")
    max_header_bytes: int = _of("max_header_bytes")
    h11_max_incomplete_event_size: int | None = _of("h11_max_incomplete_event_size")
    max_headers: int = _of("max_headers")
    h2_max_streams: int = _of("h2_max_streams")

    timeout_keep_alive: float = _of("timeout_keep_alive")
    timeout_graceful_shutdown: float | None = _of("timeout_graceful_shutdown")
    header_timeout: float = _of("header_timeout")
    body_timeout: float = _of("body_timeout")
    write_timeout: float = _of("write_timeout")

    ssl_certfile: str | None = _of("ssl_certfile")
    ssl_keyfile: str | None = _of("ssl_keyfile")
    ssl_keyfile_password: str | None = dataclasses.field(default=None, repr=False)
    ssl_ca_certs: str | None = _of("ssl_ca_certs")
    ssl_cert_reqs: int = _of("ssl_cert_reqs")
    ssl_version: int = _of("ssl_version")
    ssl_min_version: str = _of("ssl_min_version")
    ssl_ciphers: str | None = _of("ssl_ciphers")

    ws_max_size: int = _of("ws_max_size")
    ws_max_queue: int = _of("ws_max_queue")
    ws_ping_interval: float | None = _of("ws_ping_interval")
    ws_ping_timeout: float | None = _of("ws_ping_timeout")
    ws_per_message_deflate: bool = _of("ws_per_message_deflate")

    log_level: str | int = _of("log_level")
    log_config: str | dict[str, Any] | None = None
    use_colors: bool | None = _of("use_colors")
    access_log: bool = _of("access_log")
    access_log_format: str = _of("access_log_format")
    access_log_file: str = _of("access_log_file")

    metrics_bind: str | None = _of("metrics_bind")
    health_path: str = _of("health_path")
    ready_path: str = _of("ready_path")

    origins: InitVar[Mapping[str, str] | None] = None
    """Where each value came from, as errors say it: {"port": "--port"}."""

    def __post_init__(self, origins: Mapping[str, str] | None) -> None:
        """Bring every value into its one form."""
        where = _Origins(origins or {})
        for option in OPTIONS:
            value = getattr(self, option.name)
            object.__setattr__(self, option.name, _checked(option, value, where[option.name]))
        _check_together(self, where)

    @classmethod
    def read(
        cls,
        arguments: Sequence[str] = (),
        *,
        toml: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Config:
        """Make one from a command line's arguments, the environment, and a TOML file.

        The command line goes before the environment, and that before the file, which `--config`
        among the arguments names too. An environment file is not loaded.

        Args:
            arguments: As for `oxbridge serve`.
            toml: The file; its table `[tool.oxbridge]` if it is a pyproject.toml.
            environ: The environment; that of this process unless given.

        Raises:
            ConfigError: A value is not what its option wants, or the file cannot be read.
        """
        from oxbridge._cli.errors import CommandError
        from oxbridge._cli.parser import parse
        from oxbridge._cli.sources import config_from

        try:
            command = parse(arguments)
            file = command.config if toml is None else os.fspath(toml)
            return config_from(command, os.environ if environ is None else environ, toml=file)
        except CommandError as error:
            raise ConfigError(str(error)) from None

    def binds(self) -> list[str]:
        """Return the addresses to listen on, in the form that the server takes.

        `bind`, `uds` and `fd` add up; `host` and `port` count only where there is none of them.
        """
        addresses = [_with_port(address, self.port) for address in self.bind]
        if self.uds is not None:
            addresses.append(f"unix:{self.uds}")
        if self.fd is not None:
            addresses.append(f"fd:{self.fd}")
        return addresses or [_with_port(self.host, self.port, alone=True)]

    def tls(self) -> Tls | None:
        """Return the certificates, if there are any. The files are read when the server starts."""
        if self.ssl_certfile is None:
            return None
        # uvicorn: without a certificate asked for, authorities alone ask for none.
        authorities = self.ssl_ca_certs if self.ssl_cert_reqs else None
        key = self.ssl_keyfile or self.ssl_certfile
        more: dict[str, Any] = {"client_optional": self.ssl_cert_reqs == 1}
        if self.ssl_keyfile_password is not None:
            more["password"] = self.ssl_keyfile_password
        if self.ssl_ciphers is not None:
            more["ciphers"] = self.ssl_ciphers
        if self.ssl_min_version != BY_NAME["ssl_min_version"].default:
            more["min_version"] = self.ssl_min_version
        return Tls(self.ssl_certfile, key, authorities, **more)

    def core_options(self) -> dict[str, object]:
        """Return the options of the server underneath, for one start of it in one worker.

        It opens the access log's file, and draws the random part of `limit_max_requests`.

        Raises:
            OSError: The access log's file cannot be opened.
        """
        options: dict[str, object] = {
            "threads": self.threads,
            "queue": self.queue,
            "max_header_bytes": self.h11_max_incomplete_event_size or self.max_header_bytes,
            "max_headers": self.max_headers,
            "max_body": self.max_body,
            "header_timeout": self.header_timeout,
            "body_timeout": self.body_timeout,
            "keep_alive_timeout": self.timeout_keep_alive,
            "write_timeout": self.write_timeout,
            "max_connections": self.max_connections,
            "h2_max_streams": self.h2_max_streams,
            "buffer_body": self.buffer_body,
            "limit_concurrency": self.limit_concurrency,
            "max_requests": self._max_requests(),
            "proxy_protocol": self.proxy_protocol,
            "forwarded_allow_ips": (self.forwarded_allow_ips or None)
            if self.proxy_headers
            else None,
            "server_header": "oxbridge" if self.server_header else None,
            "date_header": self.date_header,
            "headers": list(self.headers),
            "access_log": self._access_log(),
            "compression": {
                "algorithms": list(self.compression),
                "min_size": self.compression_min_size,
            }
            if self.compression
            else None,
            "static": list(self.static),
        }
        if self.proxy_protocol_from is not None:
            options["proxy_protocol_from"] = self.proxy_protocol_from
        return options

    @property
    def drain_time(self) -> float:
        """`timeout_graceful_shutdown` as a number of seconds: a year where there is no bound."""
        bound = self.timeout_graceful_shutdown
        return UNBOUNDED if bound is None else bound

    @cached_property
    def in_threads(self) -> bool:
        """Whether the workers are threads of one process, not processes of their own.

        With `workers_as="auto"` that is so where the interpreter has no global lock when this is
        first asked: an extension module that is loaded later may switch one on.
        """
        if self.workers_as == "auto":
            return self.workers > 1 and not _has_gil()
        return self.workers > 1 and self.workers_as == "threads"

    @property
    def processes(self) -> int:
        """How many processes serve, the supervisor not counted."""
        return 1 if self.in_threads else self.workers

    @property
    def needs_supervisor(self) -> bool:
        """Whether more than this one process is needed: several workers, or one to be replaced."""
        return (
            self.processes > 1
            or self.reload
            or self.limit_max_requests is not None
            or self.worker_max_lifetime is not None
            or self.worker_max_memory is not None
            or self.worker_timeout is not None
        )

    def to_json(self) -> str:
        """Write it down for a worker.

        Raises:
            ConfigError: The application is an object, which cannot be written down.
        """
        if self.app is not None and not isinstance(self.app, str):
            raise ConfigError(
                "app must be text such as 'module:app' for workers and reload, because they import "
                f"it themselves, not {self.app!r}"
            )
        written = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.in_threads:
            # What a worker finds when it has loaded the application does not count.
            written["workers_as"] = "threads"
        try:
            return json.dumps(written)
        except TypeError as error:
            raise ConfigError(f"log_config must hold what JSON can hold: {error}") from None

    @classmethod
    def from_json(cls, text: str) -> Config:
        """Read what `to_json` has written."""
        return cls(**json.loads(text))

    def _max_requests(self) -> int | None:
        if self.limit_max_requests is None:
            return None
        import random

        # Staggering, not a secret.
        return self.limit_max_requests + random.randint(0, self.limit_max_requests_jitter)  # noqa: S311

    def _access_log(self) -> dict[str, object] | None:
        if not self.access_log:
            return None
        # As uvicorn: the log of requests is of level INFO.
        if _level(self.log_level) > logging.INFO:
            return None
        if self.access_log_file != "-":
            # By its path, so that it can be opened again where it was renamed.
            return {"format": self.access_log_format, "path": self.access_log_file}
        return {"format": self.access_log_format, "fd": STDOUT}


def _has_gil() -> bool:
    """Whether one thread at a time runs Python."""
    enabled: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return enabled is None or enabled()


class _Origins(dict[str, str]):
    """Where values came from; by default they are keywords."""

    def __missing__(self, name: str) -> str:
        return name


def _checked(option: Option, value: Any, where: str) -> Any:
    """Check a value, or each of a repeatable option."""
    given = value
    try:
        if not option.repeatable:
            return option.kind.check(value)
        if value is None:
            return ()
        if isinstance(value, Mapping):
            value = list(value.items())
        elif isinstance(value, str | Path) or not isinstance(value, list | tuple):
            value = [value]
        return tuple(option.kind.check(given := one) for one in value)
    except WrongValue as wrong:
        raise ConfigError(f"{where} must be {wrong}, not {given!r}") from None


def _check_together(config: Config, where: Mapping[str, str]) -> None:
    """Refuse values that are right each by itself but not together."""
    if config.reload and config.workers > 1:
        raise ConfigError(
            f"{where['reload']} works with one worker, but {where['workers']} asks for "
            f"{config.workers}"
        )
    if config.ssl_certfile is None:
        for name in ("ssl_keyfile", "ssl_ca_certs"):
            if getattr(config, name) is not None:
                raise ConfigError(f"{where[name]} needs a certificate as well: ssl-certfile")
        if config.ssl_cert_reqs:
            raise ConfigError(f"{where['ssl_cert_reqs']} needs a certificate as well: ssl-certfile")
    elif config.ssl_cert_reqs and config.ssl_ca_certs is None:
        raise ConfigError(f"{where['ssl_cert_reqs']} needs authorities as well: ssl-ca-certs")
    if config.ssl_version != BY_NAME["ssl_version"].default:
        raise ConfigError(
            f"{where['ssl_version']} must be 17, not {config.ssl_version}; ssl-min-version says "
            "which TLS is the oldest that is spoken"
        )
    for name in ("root_path", "health_path", "ready_path"):
        value = getattr(config, name)
        if not value.startswith("/") and (value or name != "root_path"):
            raise ConfigError(f"{where[name]} must begin with a slash, not {value!r}")
    if config.health_path == config.ready_path:
        raise ConfigError(
            f"{where['health_path']} and {where['ready_path']} must be different paths, "
            f"not both {config.health_path!r}"
        )


def _with_port(address: str, port: int, *, alone: bool = False) -> str:
    """Complete an address that is a host alone."""
    if not alone and (address == "systemd" or address.startswith(("unix:", "fd:"))):
        return address
    if alone:
        bare = ":" in address and not address.startswith("[")
        return f"[{address}]:{port}" if bare else f"{address}:{port}"
    has_port = ":" in address.rpartition("]")[2]
    return address if has_port else f"{address}:{port}"


def _level(level: str | int) -> int:
    """Return a log level as logging counts them."""
    if isinstance(level, int):
        return level
    return {"trace": 5}.get(level) or logging.getLevelNamesMapping()[level.upper()]
