"""What ends a command with one sentence instead of a traceback."""

from __future__ import annotations


class CommandError(Exception):
    """Ends the command: its text is the one sentence for standard error."""

    code = 1
    """The exit code that goes with it."""


class UsageError(CommandError):
    """The command line itself is wrong."""

    code = 2


class AppFailed(CommandError):
    """The application's own code failed while it was imported; `__cause__` is what it raised."""


class ModuleMissing(CommandError):
    """There is no such module or file."""


class AttributeMissing(CommandError):
    """The module has nothing of that name."""


class NotAnApplication(CommandError):
    """What was found is no application, or one of another kind than wanted."""
