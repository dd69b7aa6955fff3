"""Secret files of the issuer: written whole or not at all, readable by their owner only, made once per directory."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from folkmoot.ownership import share


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the directory's lock; blocks while another process holds it. Makes the directory (mode 0700) if need be.

    Two servers started at once on one data directory must agree on one key, and a certificate belongs to one key file.
    """
    if not directory.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        share(directory)
    lock = directory / ".lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    share(lock)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # gives the lock back, as the end of the process would


def write(path: Path, content: bytes, *, mode: int) -> None:
    """Replace the file at `path` by `content` with the permission bits `mode`, atomically and durably.

    The temporary file is made with mode 0600 in the same directory, so a secret is never readable by others on the way.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        share(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
