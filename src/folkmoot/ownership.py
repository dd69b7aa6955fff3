"""Whose the files in the data directory are. An operator may run a command as root for a server that is not root."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def share(path: Path) -> None:
    """Give what was just made at `path` to whom its directory belongs to; root's alone, nobody else could read it.

    Nothing is done where this is not root, or may not. A link is not followed: whoever owns the directory could have
    put it there to be given something else.
    """
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            directory = path.parent.stat()
            os.chown(path, directory.st_uid, directory.st_gid, follow_symlinks=False)
