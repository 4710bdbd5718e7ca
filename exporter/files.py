"""Reading files of users, which may be of any kind and size, or on a disk that does not respond."""

import errno
import os
import stat
from concurrent.futures import Future, wait
from pathlib import Path

from exporter import threads

MAX_SIZE = 1024 * 1024  # bytes; a configuration of 10,000 tests has half of that
READ_TIMEOUT = 5.0  # seconds

# Reads that have not ended. A second one of the same file waits with the first: threads must not pile up.
_pending: dict[Path, Future[bytes]] = {}


def read_file(path: Path, *, timeout: float = READ_TIMEOUT, accepts_pipe: bool = False) -> bytes:
    """The content of a file. Raises OSError, of which TimeoutError means that it is not known in time.

    A file that is read again and again must not be a pipe, which has its content only once.
    """
    pending = _pending.get(path)
    if pending is None or pending.done():
        pending = _pending[path] = threads.start(lambda: read_now(path, accepts_pipe=accepts_pipe))
    if not wait([pending], timeout).done:
        raise TimeoutError(errno.ETIMEDOUT, f"no content within {READ_TIMEOUT:g}s")
    _pending.pop(path, None)
    return pending.result()


def read_now(path: Path, *, accepts_pipe: bool) -> bytes:
    """The content, however long it takes. Raises OSError."""
    mode = path.stat().st_mode
    # Checked before opening: opening a pipe waits for a writer, and opening a device can do anything.
    if not (stat.S_ISREG(mode) or (accepts_pipe and (stat.S_ISFIFO(mode) or path == Path(os.devnull)))):
        raise OSError(errno.EINVAL, "Is a directory" if stat.S_ISDIR(mode) else "not a regular file")
    with path.open("rb") as file:
        content = file.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        raise OSError(errno.EFBIG, f"larger than {MAX_SIZE // 1024 // 1024} MiB")
    return content
