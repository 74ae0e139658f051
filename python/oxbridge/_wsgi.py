"""WSGI (PEP 3333): the part that runs for each request in Python, where applications iterate."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from oxbridge._oxbridge import WsgiApp

if TYPE_CHECKING:
    from oxbridge._oxbridge import WsgiResponse


class FileWrapper:
    """`wsgi.file_wrapper`: an open file as an iterable of blocks.

    A real file that an application returns in it is read by the server, from its position on, as
    the client takes it; any other object with `read` is iterated over.
    """

    def __init__(self, filelike: Any, block_size: int = 65536) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        while block := self.filelike.read(self.block_size):
            yield block

    def __getitem__(self, index: int) -> bytes:
        """Give the next block, as the wrapper of PEP 3333's example does."""
        if block := self.filelike.read(self.block_size):
            return bytes(block)
        raise IndexError(index)


def wsgi_app(
    application: Callable[..., Any],
    *,
    root_path: str = "",
    multiprocess: bool = False,
    multithread: bool = True,
    strips_root: bool = True,
) -> WsgiApp:
    """Wrap an application, so that a mux can mount it.

    `strips_root` is false where whoever mounts it takes `root_path` off the path of requests.
    """
    base: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
        "SERVER_SOFTWARE": "oxbridge",
    }

    def handle(environ: dict[str, Any], response: WsgiResponse) -> None:
        """Call the application and send what it gives, block by block."""
        result = application(environ, response)
        if response.take(result):
            return
        try:
            if type(result) is FileWrapper and _send_file(result, response):
                return
            blocks = _blocks(result, response) if type(result) is FileWrapper else result
            for block in blocks:
                if not response.block(block):
                    break
            response.finish()
        finally:
            # Once, however the request ended (PEP 3333, "Specification Details").
            close = getattr(result, "close", None)
            if close is not None:
                close()

    return WsgiApp(handle, base, root_path, strips_root)


def _blocks(result: FileWrapper, response: WsgiResponse) -> Iterator[bytes]:
    """Iterate over a file that ends where the application said, however long it is."""
    left = response.content_length
    if left is None:
        yield from result
        return
    while left > 0 and (block := result.filelike.read(min(result.block_size, left))):
        left -= len(block)
        yield block


def _send_file(wrapper: FileWrapper, response: WsgiResponse) -> bool:
    """Have the server read the file, if it is one; False if it must be iterated over."""
    try:
        fd = wrapper.filelike.fileno()
        offset = wrapper.filelike.tell()
        status = os.fstat(fd)
    except (AttributeError, OSError, ValueError):
        return False
    if not stat.S_ISREG(status.st_mode) or not isinstance(fd, int):
        return False
    length = max(status.st_size - offset, 0)
    declared = response.content_length
    if declared is not None:
        length = min(length, declared)
    response.send_file(fd, offset, length)
    response.finish()
    return True
