"""The table of options: what the command line, the environment, TOML and `Config` are made from.

Names and defaults are uvicorn's where it has the option, unless the help says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from oxbridge._cli.structured import Addresses, Algorithms, Bind, Header, LogConfig, Mount
from oxbridge._cli.values import Choice, Flag, Kind, LogLevel, Path, Seconds, Size, Whole

ENV_PREFIX = "OXBRIDGE_"
UVICORN_PREFIX = "UVICORN_"

Process = Literal["worker", "supervisor", "both"]


@dataclass(frozen=True)
class Option:
    """One option in all its forms."""

    name: str
    """The field of `Config`."""
    kind: Kind
    default: object
    help: str
    group: str = ""
    process: Process = "worker"
    """Which process reads it; with one worker that is one process."""
    flag: str = ""
    """The long form on the command line, if it is not the name with dashes."""
    short: str = ""
    aliases: tuple[str, ...] = ()
    """Other spellings that gunicorn and hypercorn have."""
    repeatable: bool = False
    """Whether it may be given several times; `Config` holds a tuple."""
    separator: str = ""
    """What is between the values of a repeatable option in the environment; "" is white space."""
    takes_value: bool = False
    """Whether a flag is written `--name true` instead of `--name` and `--no-name`."""
    uvicorn: bool = False
    """Whether uvicorn has it, and so `UVICORN_NAME` is read."""
    env: tuple[str, ...] = ()
    """Further environment variables."""
    metavar: str = ""
    default_text: str | None = None
    """How help says the default; None is the value itself, "" nothing."""

    @property
    def is_flag(self) -> bool:
        """Whether it is written `--name` and `--no-name`, without a value."""
        return isinstance(self.kind, Flag) and not self.takes_value

    @property
    def long(self) -> str:
        """The long form on the command line, dashes included."""
        return self.flag or "--" + self.name.replace("_", "-")

    @property
    def key(self) -> str:
        """The key in a TOML file."""
        return self.long.removeprefix("--")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it; the first that is there wins."""
        names = list(dict.fromkeys((self.name, self.key.replace("-", "_"))))
        ours = [ENV_PREFIX + name.upper() for name in names]
        theirs = [UVICORN_PREFIX + self.name.upper()] if self.uvicorn else []
        return (*ours, *theirs, *self.env)


def _group(name: str, process: Process, *options: Option) -> list[Option]:
    """Put options into a group; they are for the process unless they say otherwise."""
    return [
        replace(o, group=name, process=process if o.process == "worker" else o.process)
        for o in options
    ]


CODINGS = ("zstd", "br", "gzip")

OPTIONS: tuple[Option, ...] = (
    *_group(
        "Application",
        "both",
        Option(
            "interface",
            Choice(words=("auto", "asgi", "asgi3", "asgi2", "wsgi", "rsgi", "mux")),
            "auto",
            "What the application speaks; found by itself unless given.",
            uvicorn=True,
        ),
        Option(
            "factory",
            Flag(),
            False,
            "APP is a function that is called without arguments and returns the application.",
            uvicorn=True,
        ),
        Option(
            "app_dir",
            Path(),
            ".",
            "Directory in which APP is looked for first.",
            uvicorn=True,
            aliases=("--pythonpath",),
            default_text="the current directory",
        ),
        Option(
            "root_path",
            Kind(),
            "",
            "URL path below which the application is mounted (root_path, SCRIPT_NAME).",
            uvicorn=True,
        ),
        Option(
            "lifespan",
            Choice(words=("auto", "on", "off")),
            "auto",
            "ASGI lifespan: with on, an application without it does not start.",
            uvicorn=True,
        ),
        Option(
            "loop",
            Choice(words=("auto", "asyncio", "uvloop")),
            "auto",
            "Event loop of ASGI applications: auto is asyncio on the server's own reactor.",
            uvicorn=True,
        ),
        Option(
            "env_file",
            Path(optional=True),
            None,
            "File of KEY=VALUE lines that are put into the environment, where they are not yet.",
            uvicorn=True,
        ),
        Option(
            "name",
            Kind(optional=True),
            None,
            "What the start line calls the application.",
            short="-n",
            aliases=("--proc-name",),
        ),
    ),
    *_group(
        "Listening",
        "both",
        Option("host", Kind(), "127.0.0.1", "Address or name to listen on.", uvicorn=True),
        Option(
            "port",
            Whole(most=65535),
            8000,
            "Port to listen on; 0 lets the system choose.",
            uvicorn=True,
        ),
        Option(
            "bind",
            Bind(),
            (),
            "Listen here, not on host and port: 127.0.0.1:8000, [::1]:8000, unix:/run/app.sock,"
            " fd:3, systemd.",
            repeatable=True,
            separator=",",
            short="-b",
        ),
        Option("uds", Path(optional=True), None, "Listen on this Unix socket.", uvicorn=True),
        Option(
            "fd",
            Whole(optional=True),
            None,
            "Take this file descriptor, which listens already.",
            uvicorn=True,
        ),
        Option(
            "backlog",
            Whole(least=1),
            2048,
            "Connections that may wait to be accepted.",
            uvicorn=True,
        ),
    ),
    *_group(
        "Workers",
        "supervisor",
        Option(
            "workers",
            Whole(least=1),
            1,
            "Worker processes.",
            uvicorn=True,
            short="-w",
            env=("WEB_CONCURRENCY",),
            process="both",
        ),
        Option(
            "threads",
            Whole(least=1),
            200,
            "Threads in each worker for handlers and WSGI applications.",
            process="both",
        ),
        Option(
            "limit_max_requests",
            Whole(least=1, optional=True),
            None,
            "Replace a worker after so many requests.",
            uvicorn=True,
            aliases=("--max-requests",),
            process="both",
        ),
        Option(
            "limit_max_requests_jitter",
            Whole(),
            0,
            "Add a random number up to this one to the limit, so that workers do not end together.",
            uvicorn=True,
            aliases=("--max-requests-jitter",),
            process="both",
        ),
        Option(
            "worker_max_lifetime",
            Seconds(optional=True),
            None,
            "Replace a worker after this time.",
        ),
        Option(
            "worker_max_memory",
            Size(least=1, optional=True),
            None,
            "Replace a worker whose resident memory is larger.",
        ),
        Option(
            "worker_timeout",
            Seconds(optional=True),
            None,
            "Replace a worker that has not started to serve after this time.",
        ),
        Option(
            "timeout_worker_healthcheck",
            Seconds(zero=True),
            5.0,
            "Replace a worker that gives no sign of life for so long; 0 for never.",
            uvicorn=True,
            short="-t",
            aliases=("--timeout",),
        ),
        Option(
            "respawn_delay",
            Seconds(),
            0.1,
            "Wait so long before a worker that died is started again; doubles each time it dies.",
        ),
        Option(
            "respawn_max_delay",
            Seconds(),
            10.0,
            "The longest that this wait grows to.",
        ),
        Option(
            "pid_file",
            Path(optional=True),
            None,
            "File with the number of the process to send signals to.",
            short="-p",
            aliases=("--pid", "--pidfile"),
            process="both",
        ),
    ),
    *_group(
        "Reload",
        "supervisor",
        Option("reload", Flag(), False, "Restart when a file changes.", uvicorn=True),
        Option(
            "reload_dirs",
            Path(),
            (),
            "Directory to watch.",
            flag="--reload-dir",
            repeatable=True,
            separator=":",
            uvicorn=True,
            default_text="the current directory",
        ),
        Option(
            "reload_includes",
            Kind(),
            (),
            "Glob pattern of files to watch, beside *.py.",
            flag="--reload-include",
            repeatable=True,
            uvicorn=True,
            metavar="PATTERN",
        ),
        Option(
            "reload_excludes",
            Kind(),
            (),
            "Glob pattern of files not to watch, beside .*, .py[cod], .sw.* and ~*.",
            flag="--reload-exclude",
            repeatable=True,
            uvicorn=True,
            metavar="PATTERN",
        ),
        Option(
            "reload_delay",
            Seconds(),
            0.25,
            "Time between two looks at the files.",
            uvicorn=True,
        ),
    ),
    *_group(
        "HTTP",
        "worker",
        Option(
            "headers",
            Header(),
            (),
            "Header of every response.",
            flag="--header",
            repeatable=True,
            separator="\n",
            uvicorn=True,
        ),
        Option(
            "server_header",
            Flag(),
            True,
            "Send the header Server.",
            uvicorn=True,
        ),
        Option(
            "date_header",
            Flag(),
            True,
            "Send the header Date.",
            uvicorn=True,
        ),
        Option(
            "static",
            Mount(between="=", names=("/PREFIX", "DIRECTORY")),
            (),
            "Serve the files of a directory below a URL prefix, without the application.",
            repeatable=True,
            separator=",",
        ),
        Option(
            "compression",
            Algorithms(words=CODINGS),
            (),
            f"Compress responses: on, off, or some of {','.join(CODINGS)}, best first.",
            default_text="off",
        ),
        Option(
            "compression_min_size",
            Size(),
            1024,
            "Do not compress a response that is smaller.",
        ),
    ),
    *_group(
        "Behind a proxy",
        "worker",
        Option(
            "proxy_headers",
            Flag(),
            True,
            "Take client address and scheme from X-Forwarded-For, X-Forwarded-Proto and Forwarded,"
            " where the peer is trusted.",
            uvicorn=True,
        ),
        Option(
            "forwarded_allow_ips",
            Addresses(),
            "127.0.0.1,::1",
            "The trusted peers: addresses and networks joined by commas, unix, or * for all.",
            uvicorn=True,
            metavar="ADDRESSES",
            env=("FORWARDED_ALLOW_IPS",),
        ),
        Option(
            "proxy_protocol",
            Flag(),
            False,
            "Every connection begins with a PROXY header, version 1 or 2.",
        ),
        Option(
            "proxy_protocol_from",
            Addresses(optional=True),
            None,
            "The peers whose PROXY header is taken; others are refused.",
            aliases=("--proxy-allow-from",),
            metavar="ADDRESSES",
            default_text="all",
        ),
    ),
    *_group(
        "Limits",
        "worker",
        Option(
            "limit_concurrency",
            Whole(least=1, optional=True),
            None,
            "Requests under way in a worker; past it 503.",
            uvicorn=True,
        ),
        Option(
            "max_connections",
            Whole(least=1, optional=True),
            None,
            "Open connections of a worker; past it new ones wait.",
            aliases=("--worker-connections",),
        ),
        Option("queue", Whole(least=1), 1024, "Requests that may wait for a thread; past it 503."),
        Option("max_body", Size(optional=True), None, "Size of a request's body; past it 413."),
        Option(
            "buffer_body",
            Size(),
            65536,
            "A body up to this size is read before a thread is taken for it.",
        ),
        Option(
            "max_header_bytes",
            Size(least=8192),
            65536,
            "Size of a request's head; past it 431.",
        ),
        Option(
            "h11_max_incomplete_event_size",
            Size(least=8192, optional=True),
            None,
            "uvicorn's name for --max-header-bytes.",
            uvicorn=True,
            default_text="",
        ),
        Option(
            "max_headers",
            Whole(least=1),
            100,
            "Header fields of a request; past it 431.",
            aliases=("--limit-request-fields",),
        ),
        Option(
            "h2_max_streams",
            Whole(least=1),
            128,
            "Requests at the same time on one HTTP/2 connection.",
        ),
    ),
    *_group(
        "Time-outs",
        "worker",
        Option(
            "timeout_keep_alive",
            Seconds(),
            75.0,
            "Close a connection that has had no request for so long (uvicorn: 5).",
            uvicorn=True,
            aliases=("--keep-alive", "--keep-alive-timeout"),
        ),
        Option(
            "timeout_graceful_shutdown",
            Seconds(zero=True, optional=True),
            30.0,
            "How long requests may take to finish when the server stops; none is for ever, as"
            " with uvicorn.",
            uvicorn=True,
            aliases=("--graceful-timeout",),
            process="both",
        ),
        Option("header_timeout", Seconds(), 10.0, "From a request's first byte to its head's end."),
        Option("body_timeout", Seconds(), 30.0, "Without a byte of a body that is waited for."),
        Option("write_timeout", Seconds(), 60.0, "A client that takes none of its bytes."),
    ),
    *_group(
        "TLS",
        "worker",
        Option(
            "ssl_certfile",
            Path(optional=True),
            None,
            "Certificate chain, PEM. With it the server speaks HTTPS, and HTTP/2 by ALPN.",
            uvicorn=True,
            aliases=("--certfile",),
        ),
        Option(
            "ssl_keyfile",
            Path(optional=True),
            None,
            "Private key, PEM; else it is looked for in the certificate's file.",
            uvicorn=True,
            aliases=("--keyfile",),
        ),
        Option(
            "ssl_keyfile_password",
            Kind(optional=True),
            None,
            "Unlocks the private key.",
            uvicorn=True,
        ),
        Option(
            "ssl_ca_certs",
            Path(optional=True),
            None,
            "Authorities of client certificates, PEM.",
            uvicorn=True,
            aliases=("--ca-certs",),
        ),
        Option(
            "ssl_cert_reqs",
            Whole(most=2),
            0,
            "Client certificates: 0 none, 1 optional, 2 required.",
            uvicorn=True,
        ),
        Option(
            "ssl_version",
            Whole(),
            17,
            "Only 17 (ssl.PROTOCOL_TLS_SERVER); see --ssl-min-version.",
            uvicorn=True,
            default_text="",
        ),
        Option(
            "ssl_min_version",
            Choice(words=("1.2", "1.3")),
            "1.2",
            "The oldest TLS that is spoken.",
        ),
        Option(
            "ssl_ciphers",
            Kind(optional=True),
            None,
            "Cipher suites, the most wanted first, as OpenSSL or IANA name them.",
            uvicorn=True,
            aliases=("--ciphers",),
            default_text="all safe ones",
        ),
    ),
    *_group(
        "WebSocket",
        "worker",
        Option("ws_max_size", Size(least=1), 16777216, "Size of a message.", uvicorn=True),
        Option(
            "ws_max_queue",
            Whole(least=1),
            32,
            "Messages that wait for the application.",
            uvicorn=True,
        ),
        Option(
            "ws_ping_interval",
            Seconds(optional=True),
            20.0,
            "Time between two pings.",
            uvicorn=True,
        ),
        Option(
            "ws_ping_timeout",
            Seconds(optional=True),
            20.0,
            "Close when the answer to a ping takes longer.",
            uvicorn=True,
        ),
        Option(
            "ws_per_message_deflate",
            Flag(),
            True,
            "Compress messages with clients that can.",
            uvicorn=True,
            takes_value=True,
        ),
    ),
    *_group(
        "Logging",
        "both",
        Option(
            "log_level",
            LogLevel(words=("critical", "error", "warning", "info", "debug", "trace")),
            "info",
            "The least severe messages that are logged.",
            uvicorn=True,
        ),
        Option(
            "log_config",
            LogConfig(optional=True),
            None,
            "Logging configuration instead of the default: .json, .yaml or .ini.",
            uvicorn=True,
            default_text="",
        ),
        Option(
            "use_colors",
            Flag(optional=True),
            None,
            "Colour the names of levels.",
            uvicorn=True,
            default_text="on a terminal",
        ),
        Option("access_log", Flag(), True, "Log requests.", uvicorn=True),
        Option(
            "access_log_format",
            Kind(),
            "common",
            "common, combined, json, or a format such as '%(h)s %(r)s %(s)s'.",
            aliases=("--access-logformat",),
            metavar="FORMAT",
        ),
        Option(
            "access_log_file",
            Path(),
            "-",
            "File that the access log is appended to; - is standard output.",
            aliases=("--access-logfile",),
        ),
    ),
    *_group(
        "Operation",
        "both",
        Option(
            "metrics_bind",
            Bind(optional=True),
            None,
            "Serve Prometheus metrics at /metrics on this address, and the next two paths.",
        ),
        Option(
            "health_path",
            Kind(),
            "/healthz",
            "Path that says 200 as long as the process lives.",
            metavar="PATH",
        ),
        Option(
            "ready_path",
            Kind(),
            "/readyz",
            "Path that says 200 while requests are taken, 503 before and after.",
            metavar="PATH",
        ),
    ),
)

BY_NAME = {option.name: option for option in OPTIONS}
"""The options by their names in `Config`."""


def default(name: str) -> object:
    """Return the default of an option."""
    return BY_NAME[name].default
