"""Whose the files in the data directory are. An operator may run a command as root for a server that is not root."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def share(path: Path) -> None:
    """Give what was just made at `path` to whom its directory belongs to; root's alone, nobody else could read it.

    Nothing is done where this is not root, or may not. Links are left alone, of either kind: whoever owns the directory
    could have put one there to be given something else.
    """
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            made, directory = path.lstat(), path.parent.stat()
            if stat.S_ISDIR(made.st_mode) or (stat.S_ISREG(made.st_mode) and made.st_nlink == 1):
                os.chown(path, directory.st_uid, directory.st_gid, follow_symlinks=False)
