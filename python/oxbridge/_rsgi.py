"""RSGI: what surrounds the requests of an application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from oxbridge._mounted import StartupFailed

logger = logging.getLogger("oxbridge")


class RsgiLife:
    """The life of one application: its `__rsgi_init__` and `__rsgi_del__`, where it has them."""

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop

    @property
    def application(self) -> Callable[..., Any]:
        """What is called for each request: `__rsgi__`, where the target has one."""
        application: Callable[..., Any] = getattr(self._target, "__rsgi__", self._target)
        return application

    def begin(self) -> None:
        """Call `__rsgi_init__`, which may run the loop if that does not run yet.

        Raises:
            StartupFailed: It raised something, which is the cause.
        """
        begin = getattr(self._target, "__rsgi_init__", None)
        if begin is not None:
            try:
                begin(self._loop)
            except Exception as error:
                said = f"{type(error).__name__}: {error}".rstrip(": ")
                raise StartupFailed(f"the application failed to start: {said}") from error

    def end(self) -> None:
        """Call `__rsgi_del__`, which may run the loop if that does not; its exception is logged."""
        end = getattr(self._target, "__rsgi_del__", None)
        if end is not None:
            try:
                end(self._loop)
            except Exception:
                logger.exception("The application failed to shut down")

    async def startup(self) -> None:
        """Begin, on a loop that runs."""
        self.begin()

    async def shutdown(self) -> None:
        """End, on a loop that runs."""
        self.end()
