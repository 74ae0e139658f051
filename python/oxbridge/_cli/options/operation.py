"""Options for those who run the server: logs, metrics, health."""

from __future__ import annotations

from oxbridge._cli.options.option import Option, group
from oxbridge._cli.structured import Bind, LogConfig
from oxbridge._cli.values import Flag, Kind, LogLevel, Path

OPTIONS: tuple[Option, ...] = (
    *group(
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
    *group(
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
