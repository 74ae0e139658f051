"""A `Server` on the event loop of the program: its coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

from oxbridge._addresses import places
from oxbridge._drive import call_soon
from oxbridge._handlers import handled

if TYPE_CHECKING:
    from oxbridge.server import Server

logger = logging.getLogger("oxbridge")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def serve(server: Server, *, handle_signals: bool = False) -> None:
    """See `Server.serve`."""
    _set_up_logging(server)
    run = server._start_on_loop()

    def ready(addresses: list[str]) -> None:
        logger.info("Serving on %s", ", ".join(places(run.core)))
        _tell(server, started=True)

    try:
        with _stopped_by_signals(server) if handle_signals else contextlib.nullcontext():
            await run.run(ready)
    finally:
        _tell(server, started=False)
    logger.info("Stopped")


async def wait_started(server: Server) -> None:
    """See `Server.wait_started`."""
    if server.started:
        return
    waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    server._waiting.add(waiting)
    try:
        if not await waiting:
            raise RuntimeError("the server has not started")
    finally:
        server._waiting.discard(waiting)


async def begin(server: Server) -> asyncio.Task[None]:
    """Have a task serve, and return it once it does; raises what its start raises."""
    serving = asyncio.create_task(serve(server), name="oxbridge-serve")
    started = asyncio.create_task(wait_started(server))
    try:
        await asyncio.wait([serving, started], return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        serving.cancel()
        await asyncio.wait([serving])
        raise
    finally:
        started.cancel()
        # Its outcome is that of the other one.
        await asyncio.gather(started, return_exceptions=True)
    if serving.done():
        await serving
    return serving


async def end(server: Server, serving: asyncio.Task[None] | None) -> None:
    """Stop, and wait until it is done."""
    server.begin_stop()
    if serving is not None:
        await serving
    else:
        # Started by somebody else: on threads, or in a task of another.
        await asyncio.to_thread(server.wait)


def _tell(server: Server, *, started: bool) -> None:
    """Tell those that wait for the start, each on its own loop."""
    for waiting in list(server._waiting):
        call_soon(waiting.get_loop(), functools.partial(_resolve, waiting, started))


def _resolve(waiting: asyncio.Future[bool], value: bool) -> None:
    if not waiting.done():
        waiting.set_result(value)


def _set_up_logging(server: Server) -> None:
    """With a `Config`, as the command line does it, unless the program has done so."""
    config = server._config
    if config is not None and (config.log_config is not None or not logger.hasHandlers()):
        from oxbridge._cli import logs

        logs.configure(config)


@contextlib.contextmanager
def _stopped_by_signals(server: Server) -> Iterator[None]:
    """Let SIGINT and SIGTERM drain the server, and a second Ctrl-C cut what is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        cut = number == signal.SIGINT and server.should_exit
        server.begin_stop(0 if cut else None)

    with handled(dict.fromkeys(SIGNALS, stop)):
        yield
