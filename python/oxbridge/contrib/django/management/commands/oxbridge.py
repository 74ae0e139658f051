"""`manage.py oxbridge [ADDRPORT] [OPTIONS]`: serves the project as `oxbridge serve` does."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from oxbridge._cli import logs
from oxbridge._cli.command import configured, ended
from oxbridge._cli.parser import Command as CommandLine
from oxbridge._cli.parser import declare
from oxbridge._cli.serving import serve
from oxbridge.config import Config

# What Django's own options of every command are called.
TAKEN = ("--pythonpath", "--settings", "--traceback", "--version", "-v", "--verbosity")
# Where static files are served for development.
STATIC = "oxbridge.contrib.django.static"


class Command(BaseCommand):
    """Serves the project: its ASGI application where the settings name one, else its WSGI one."""

    help = (
        "Serves this project: its ASGI application where ASGI_APPLICATION is set, else its WSGI "
        "application. With DEBUG, static files are served too, and it restarts when a file changes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare runserver's options, and those of `oxbridge serve`."""
        # Every option there is fills a screen before the first line of help.
        parser.usage = "%(prog)s [ADDRPORT] [OPTIONS]"
        parser.add_argument(
            "addrport", nargs="?", help="Port, or address and port, to listen on; 127.0.0.1:8000."
        )
        parser.add_argument(
            "--noreload", action="store_true", help="Do not restart when a file changes."
        )
        parser.add_argument(
            "--nostatic", action="store_true", help="Do not serve static files with DEBUG."
        )
        parser.add_argument(
            "--insecure", action="store_true", help="Serve static files without DEBUG too."
        )
        self.line = CommandLine()
        declare(parser.add_argument_group("as oxbridge serve"), self.line, taken=TAKEN)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until stopped."""
        if options["addrport"]:
            _note_address(self.line, options["addrport"])
        if settings.DEBUG:
            self.check_migrations()
        if code := ended(lambda: self._serve(options)):
            sys.exit(code)

    def _serve(self, options: dict[str, Any]) -> int:
        config = configured(self.line)
        if config.app is None:
            static = (settings.DEBUG or options["insecure"]) and not options["nostatic"]
            config = dataclasses.replace(config, **_application(config, static=static))
        if settings.DEBUG and not options["noreload"] and config.workers == 1:
            config = dataclasses.replace(config, reload=True)
        # The project's own LOGGING may speak of this logger.
        if config.log_config is not None or not logs.logger.hasHandlers():
            logs.configure(config)
        for note in self.line.notes:
            logs.logger.warning(note)
        return serve(config)


def _note_address(line: CommandLine, text: str) -> None:
    """Read what runserver takes: "8000", "0.0.0.0:8000", "[::1]:8000", "localhost:8000"."""
    match = re.fullmatch(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:]+):)?(?P<port>[0-9]{1,5})", text)
    if match is None:
        raise CommandError(f"{text!r} must be a port, or an address and a port: 127.0.0.1:8000")
    given = {"host": (match["host"] or "").strip("[]"), "port": match["port"]}
    for name, value in given.items():
        if value:
            line.values[name], line.spelled[name] = value, "ADDRPORT"


def _application(config: Config, *, static: bool) -> dict[str, Any]:
    """Name the application that the settings name, as fields of the configuration."""
    asgi = getattr(settings, "ASGI_APPLICATION", None)
    wsgi = getattr(settings, "WSGI_APPLICATION", None)
    as_asgi = config.interface.startswith("asgi") or (config.interface == "auto" and bool(asgi))
    kind, path = ("asgi", asgi) if as_asgi else ("wsgi", wsgi)
    named = _with_colon(path) if path else f"django.core.{kind}:get_{kind}_application"
    fields: dict[str, Any] = {"interface": kind, "app_dir": _project(config.app_dir)}
    fields["name"] = config.name or (named if path else str(settings.SETTINGS_MODULE))
    if static and apps.is_installed("django.contrib.staticfiles"):
        return {**fields, "app": f"{STATIC}:{kind}", "factory": True}
    return {**fields, "app": named, "factory": not path}


def _with_colon(dotted: str) -> str:
    """Turn "mysite.wsgi.application" into "mysite.wsgi:application"."""
    module, _, name = dotted.rpartition(".")
    return f"{module}:{name}"


def _project(app_dir: str) -> str:
    """Where the project is imported from: the directory of manage.py, unless another is named."""
    script = sys.argv[0]
    if app_dir == "." and os.path.basename(script) == "manage.py":
        return os.path.dirname(os.path.abspath(script))
    return app_dir
