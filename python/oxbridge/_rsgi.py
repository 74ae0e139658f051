"""RSGI: what surrounds the requests of an application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class RsgiLife:
    """The life of one application: its optional `__rsgi_init__` and `__rsgi_del__`, given the loop."""

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop

    @property
    def application(self) -> Callable[..., Any]:
        """What is called for each request: `__rsgi__`, where the target has one."""
        application: Callable[..., Any] = getattr(self._target, "__rsgi__", self._target)
        return application

    def begin(self) -> None:
        """Call `__rsgi_init__`, which may run the loop; its exception ends the start."""
        begin = getattr(self._target, "__rsgi_init__", None)
        if begin is not None:
            begin(self._loop)

    def end(self) -> None:
        """Call `__rsgi_del__`, which may run the loop."""
        end = getattr(self._target, "__rsgi_del__", None)
        if end is not None:
            end(self._loop)
