"""The file that says which process the supervisor is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from types import TracebackType


class PidFile:
    """A file with this process's number, while the `with` block lasts.

    The file is locked, and the lock ends with the process whatever it died of. So a file that was
    left behind is told from one in use, also if its number belongs to somebody else by now.
    """

    def __init__(self, path: str) -> None:
        # The process may change its directory before it removes the file.
        self.path = os.path.abspath(path)
        self._file = -1

    def __enter__(self) -> PidFile:
        """Write the file.

        Raises:
            OSError: It cannot be written, or another process that lives holds it.
        """
        while self._file < 0:
            try:
                file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            except OSError as cause:
                why = f"cannot write the pid file {self.path}: {os.strerror(cause.errno or 0)}"
                raise OSError(cause.errno, why) from None
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                other = os.read(file, 20).decode("ascii", "replace").strip() or "another"
                os.close(file)
                why = f"the pid file {self.path} belongs to process {other}, which still runs"
                raise OSError(errno.EEXIST, why) from None
            # Whoever held it may have removed it between the two calls: then this one is no file.
            if _same(file, self.path):
                self._file = file
            else:
                os.close(file)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the file, if it is still this one."""
        if _same(self._file, self.path):
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        os.close(self._file)
        self._file = -1


def _same(file: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path, follow_symlinks=False))
    except OSError:
        return False
