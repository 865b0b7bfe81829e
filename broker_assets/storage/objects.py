"""Files of any store (a local folder, S3, SFTP, memory, …) by fsspec URL: written completely, read in parts.

How writing is made atomic depends on the store: in a local folder by renaming (see `atomic`); an object store shows an
object only when all of it has arrived; in other stores, the file gets a hidden name and is renamed.
"""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import cast

import fsspec
from fsspec.implementations.local import LocalFileSystem
from upath import UPath

from broker_assets.storage.atomic import SUFFIX, Content, blocks, replace_atomically, sync_folders

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
"""Protocols of stores that have no folders and no rename, and that show an object when all of it has arrived."""


def local_path(path: Path | UPath) -> Path | None:
    """The same file or folder as a path of this machine; None if it is in another store."""
    if isinstance(path, Path):
        return Path(str(path))
    return Path(path.path) if isinstance(path.fs, LocalFileSystem) else None


def store(target: Path | UPath, content: Content) -> None:
    """Write a file; when this returns, it is complete and durable; if it raises, the old one is still there.

    Parameters
    ----------
    target : Path or UPath
        File; folders above it are made.
    content : bytes-like, str, Path, binary file, or iterable of bytes-like
        See `replace_atomically`. Stores other than local folders get it as one piece from memory.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    local = local_path(target)
    if local is not None:
        replace_atomically(local, content)
        # Another process may have just made these folders and not have flushed them to disk yet.
        sync_folders([local.parent.parent, local.parent.parent.parent])
        return
    remote = UPath(target)
    files, path = remote.fs, remote.path
    whole = b"".join(blocks(content))
    if remote.protocol in OBJECT_STORES:
        files.pipe_file(path, whole)
        return
    folder, _, name = path.rpartition("/")
    hidden = f"{folder}/.{name}.{uuid.uuid4().hex}{SUFFIX}"
    files.makedirs(folder, exist_ok=True)
    try:
        files.pipe_file(hidden, whole)
        files.mv(hidden, path)
    except BaseException:
        with contextlib.suppress(OSError):
            files.rm_file(hidden)
        raise


def read_range(url: str, start: int, end: int | None) -> bytes:
    """Bytes of a file from `start` to before `end` (to its end if None), with one read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    files, path = fsspec.core.url_to_fs(str(url))
    try:
        return cast(bytes, files.cat_file(path, start=start, end=end))
    except (NotADirectoryError, IsADirectoryError) as error:
        raise FileNotFoundError(str(url)) from error
