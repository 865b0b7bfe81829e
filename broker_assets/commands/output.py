"""Files that a user asked a command to write."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from broker_assets.storage.atomic import replace_atomically


def write_output(path: Path, content: bytes | str) -> None:
    """Write a file that is either complete or absent; a symbolic link is followed.

    Parameters
    ----------
    path : Path
        Its parent folders are created. `-` is standard output; devices and pipes are written to directly.
    content : bytes or str
        Text is written as UTF-8.

    Raises
    ------
    OSError
        If it cannot be written; an existing file keeps its content.
    """
    data = content.encode() if isinstance(content, str) else content
    if str(path) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = path.resolve()
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        path.write_bytes(data)  # raises the right error for a folder
    else:
        replace_atomically(path, data)
