"""Files that appear whole or not at all, in a local folder or an object store, and parts of them."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem
from upath import UPath


def read_range(url: str, start: int, end: int | None) -> bytes:
    """Bytes of a file from `start` to before `end` (to its end, where None), with one read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    filesystem, path = fsspec.core.url_to_fs(str(url))
    try:
        return cast(bytes, filesystem.cat_file(path, start=start, end=end))
    except (NotADirectoryError, IsADirectoryError) as error:
        raise FileNotFoundError(str(url)) from error


def store(target: UPath, pieces: Sequence[Any]) -> None:
    """Write a file; when this returns it is whole and on the disk, if it raises there is nothing under its name.

    Parameters
    ----------
    target : UPath
        File; the folders above it are made.
    pieces : sequence of bytes-like
        Its content.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if not isinstance(target.fs, LocalFileSystem):
        # Object stores show an object when it is whole.
        target.fs.pipe_file(target.path, b"".join(pieces))
        return
    final = Path(target.path)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder, and of new folders above it, survive a loss of power."""
    for level in (folder, folder.parent, folder.parent.parent):
        descriptor = os.open(level, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
