"""The configuration of a server that runs, read once more."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from oxbridge._cli.errors import CommandError
from oxbridge._cli.options import BY_NAME
from oxbridge._cli.serving import check_files
from oxbridge.config import Config, ConfigError

logger = logging.getLogger("oxbridge")

# What the supervisor has set up for its whole life.
FIXED = (
    *("host", "port", "bind", "uds", "uds_mode", "fd", "backlog"),
    *("workers_as", "pid_file", "metrics_bind", "health_path", "ready_path"),
    *("reload", "reload_dirs", "reload_includes", "reload_excludes", "reload_delay"),
    *("log_level", "log_config", "use_colors", "respawn_delay", "respawn_max_delay"),
)


def reread(config: Config, read: Callable[[], Config]) -> Config:
    """Return the configuration as it is now; what only a restart can change stays as it was.

    Args:
        config: What is in force.
        read: Joins all sources, as at the start.

    Raises:
        CommandError: It cannot be served; the text says why.
    """
    fresh = read()
    if changed := [name for name in FIXED if getattr(fresh, name) != getattr(config, name)]:
        names = ", ".join(BY_NAME[name].key for name in changed)
        logger.warning("Only a restart changes %s", names)
        kept = {name: getattr(config, name) for name in changed}
        fresh = dataclasses.replace(fresh, **kept)
    if fresh.app is None:
        raise CommandError("an application is missing")
    check_files(fresh)
    try:
        fresh.to_json()
    except ConfigError as error:
        raise CommandError(str(error)) from None
    return fresh
