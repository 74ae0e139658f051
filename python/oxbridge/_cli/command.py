"""The command `oxbridge`: what its arguments ask for, and how it ends."""

from __future__ import annotations

import difflib
import errno
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence

from oxbridge._cli import dotenv, help_text, logs
from oxbridge._cli.errors import AppFailed, CommandError, UsageError
from oxbridge._cli.loading import own_traceback
from oxbridge._cli.parser import Command, parse
from oxbridge._cli.serving import MakeServer, Supervise, serve
from oxbridge._cli.sources import config_from
from oxbridge.config import Config

logger = logging.getLogger("oxbridge")

INTERRUPTED = 130
STARTUP_FAILED = 3
"""As with uvicorn: the application's lifespan refused to start."""


def main(
    arguments: Sequence[str] | None = None,
    *,
    make_server: MakeServer | None = None,
    supervise: Supervise | None = None,
) -> int:
    """Run the command and return its exit code: 0, 1 for a failure, 2 for wrong usage.

    Args:
        arguments: Those of this process unless given.
        make_server: Instead of the server of this package.
        supervise: Instead of its supervisor.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return ended(lambda: _main(given, make_server, supervise))


def ended(work: Callable[[], int]) -> int:
    """Do the work and return its exit code; what fails is one sentence on standard error."""
    try:
        return work()
    except KeyboardInterrupt:
        return INTERRUPTED
    except CommandError as error:
        if isinstance(error, AppFailed) and error.__cause__ is not None:
            _write(own_traceback(error.__cause__))
        return _fail(str(error), error.code)
    except OSError as error:
        return _fail(_explained(error), 1)
    except ValueError as error:
        # A certificate or key that is none: only the server can tell.
        if type(error) is not ValueError:
            raise
        return _fail(str(error), 1)
    except RuntimeError as error:
        # Told by its name: its module is there only once an application is served.
        if type(error).__name__ != "StartupFailed":
            raise
        return _fail(str(error), STARTUP_FAILED)


def _main(
    arguments: Sequence[str], make_server: MakeServer | None, supervise: Supervise | None
) -> int:
    first, *rest = arguments or ["--help"]
    if first in ("-h", "--help", "help"):
        print(help_text.COMMANDS, end="")
        return 0
    if first in ("-V", "--version"):
        print(_version())
        return 0
    if first == "cache":
        from oxbridge._cli.cache import top

        return top.main(rest)
    if first != "serve":
        raise UsageError(_unknown_command(first))
    command = parse(rest)
    if command.asked == "help":
        print(help_text.text(), end="")
        return 0
    if command.asked == "version":
        print(_version())
        return 0
    config = configured(command)
    if config.app is None:
        raise UsageError(
            "an application is missing; name its module and object: oxbridge serve main:app"
        )
    logs.configure(config)
    for note in command.notes:
        logger.warning(note)
    if command.config is None:
        return serve(config, make_server=make_server, supervise=supervise)

    def read_again(old: Config) -> Config:
        """Read all sources as if the command were given now."""
        from oxbridge._cli.rereading import reread

        return reread(old, lambda: configured(command))

    return serve(config, make_server=make_server, supervise=supervise, reread=read_again)


def configured(command: Command) -> Config:
    """Join the command line, the environment, the environment file, and the TOML file.

    Raises:
        CommandError: One of them is wrong.
    """
    config = config_from(command, os.environ, toml=command.config)
    if config.env_file is None:
        return config
    put = dotenv.load(config.env_file, os.environ)
    return config_from(command, os.environ, toml=command.config, origins=put)


def _unknown_command(word: str) -> str:
    if ":" in word or word.endswith(".py"):
        return f"{word} needs the word serve before it: oxbridge serve {word}"
    close = difflib.get_close_matches(word, ["serve"])
    hint = f"did you mean {close[0]}?" if close else "there is `oxbridge serve`"
    return f"there is no command {word}; {hint}"


def _version() -> str:
    from oxbridge import __version__

    return f"oxbridge {__version__}"


def _explained(error: OSError) -> str:
    """Say what an address is refused for, and what helps."""
    text = error.strerror or str(error)
    if error.filename is not None:
        text = f"{error.filename}: {text}"
    if error.errno == errno.EADDRINUSE:
        text += "; another program listens there, or this one is running already"
    elif error.errno == errno.EACCES and re.search(r":[0-9]{1,3}\b", text) and "1024" not in text:
        text += "; ports below 1024 need root or CAP_NET_BIND_SERVICE"
    return text


def _fail(text: str, code: int) -> int:
    _write(f"oxbridge: {' '.join(text.split())}\n")
    return code


def _write(text: str) -> None:
    # There is no standard error under some service supervisors.
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()
