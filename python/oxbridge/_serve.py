"""`serve`: an application served by one call."""

from __future__ import annotations

import logging
import os
from typing import Any

from oxbridge.config import Config

logger = logging.getLogger("oxbridge")


def serve(app: Any, **options: Any) -> None:
    """Serve an application until Ctrl-C or SIGTERM, let running requests finish, and return.

    The application is an object, or text that says where it is: "module:attribute". Several workers
    and reload need the text, because each worker imports the application itself, and a script that
    calls this needs `if __name__ == "__main__":` then.

    WEB_CONCURRENCY and FORWARDED_ALLOW_IPS in the environment count for options that are not given.
    Logging is set up as the command line does it, unless the program has done so.

    Args:
        app: ASGI, WSGI, RSGI, or a `Mux`.
        **options: The fields of `Config`: `serve(app, port=8080, limit_concurrency=100)`.

    Raises:
        ConfigError: A value is not what its option wants.
        CommandError: The application cannot be imported, or is none.
        OSError: An address cannot be listened on.
        SystemExit: The workers could not be kept running.
    """
    from oxbridge._cli import dotenv, logs, serving
    from oxbridge._cli.sources import plain_environment

    config = Config(app=app, **options)
    if config.env_file is not None:
        dotenv.load(config.env_file, os.environ)
    config = Config(app=app, **{**plain_environment(), **options})
    if config.needs_supervisor:
        # An object cannot go to workers: better said before anything starts.
        config.to_json()
    if config.log_config is not None or not logger.hasHandlers():
        logs.configure(config)
    if code := serving.serve(config):
        raise SystemExit(code)
