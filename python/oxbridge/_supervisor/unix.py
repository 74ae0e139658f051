"""Unix socket files: stale ones, files that are not sockets, and whose file it is to remove."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat


class SocketFile:
    """A listening Unix socket and the file that it made."""

    def __init__(self, path: str, backlog: int, mode: int | None) -> None:
        """Listen at a path. A socket file on which nobody listens is replaced; nothing else is.

        Args:
            path: Where. A path that begins with "@" is an abstract name, which has no file.
            backlog: How many connections may wait.
            mode: The mode of the file; None leaves it to the umask.

        Raises:
            OSError: One sentence that names the path.
        """
        self._made: os.stat_result | None = None
        # The process may change its directory before it removes the file.
        self._path = os.path.abspath(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if path.startswith("@"):
                self.socket.bind("\0" + path[1:])
            else:
                _clear_stale(path)
                self.socket.bind(path)
                self._made = os.stat(path, follow_symlinks=False)
                # Nobody can connect before `listen`, so nobody gets in under the umask's mode.
                if mode is not None:
                    os.chmod(path, mode)
            self.socket.listen(backlog)
        except OSError as cause:
            self.close()
            raise _refusal(path, cause) from None

    def close(self) -> None:
        """Close the socket, and remove its file if it is still this socket's."""
        if self._made is not None:
            # While the socket is open its inode cannot have become somebody else's.
            with contextlib.suppress(OSError):
                if os.path.samestat(self._made, os.stat(self._path, follow_symlinks=False)):
                    os.unlink(self._path)
            self._made = None
        self.socket.close()


def _clear_stale(path: str) -> None:
    """Remove the socket file at `path` if connections to it are refused: nobody listens on it."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return  # Whatever else is wrong with the path, `bind` reports it.
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "a file of that name exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        except FileNotFoundError:
            return
        except PermissionError:
            why = "a socket of that name exists and may not be connected to, so it may be in use"
            raise PermissionError(errno.EACCES, why) from None
        except OSError:
            pass  # A full backlog, for one: somebody listens.
    raise OSError(errno.EADDRINUSE, "address already in use: a process listens on that socket")


def _refusal(path: str, cause: OSError) -> OSError:
    why = cause.strerror or str(cause)
    if cause.errno == errno.ENOENT:
        why = "its directory does not exist"
    elif cause.errno is None:  # "AF_UNIX path too long" comes without a number.
        why = f"its path is {len(os.fsencode(path))} bytes long, which is too long"
    elif why == os.strerror(cause.errno):
        why = why[:1].lower() + why[1:]
    number = errno.ENAMETOOLONG if cause.errno is None else cause.errno
    return type(cause)(number, f"cannot listen on unix:{path}: {why}")
