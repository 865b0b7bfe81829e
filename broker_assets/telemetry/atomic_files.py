"""Files that are whole or not there: written under another name, on the disk, then renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

PARTS: Final = ".parts"
"""Folder of files that are being written, below an archive or a store, on the same file system."""


def replace_atomically(path: Path, content: Any, parts: Path | None = None) -> None:
    """Give a file new content; whatever happens it has either the old or the new one.

    Parameters
    ----------
    path : Path
    content : bytes, or iterable of bytes-like
        One piece after another.
    parts : Path, optional
        Folder for the file until it is complete, on the same file system: `remove_abandoned` finds there what a killed
        process left. Default: the folder of `path`.

    Raises
    ------
    OSError
        If it cannot be written (disk full, no permission); nothing is left behind then.
    """
    pieces = (content,) if isinstance(content, bytes | bytearray | memoryview) else content
    descriptor, temporary = _create(path, parts)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            for piece in pieces:
                if len(piece):
                    _write_all(stream.fileno(), piece)
            os.fsync(descriptor)
            os.fchmod(descriptor, 0o644)
            _move(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _create(path: Path, parts: Path | None) -> tuple[int, str]:
    """A new file that is locked while this process writes it."""
    folder = path.parent if parts is None else parts
    while True:
        try:
            descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name[:200]}.", suffix=".part")
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Between the two lines above another process may have taken it for abandoned.
            if os.fstat(descriptor).st_nlink:
                return descriptor, temporary
        except OSError:
            # A file system without locks: nothing is taken for abandoned there either.
            return descriptor, temporary
        os.close(descriptor)


def _write_all(descriptor: int, piece: Any) -> None:
    rest = memoryview(piece).cast("B")
    while len(rest):
        rest = rest[os.write(descriptor, rest) :]


def _move(temporary: str, path: Path) -> None:
    try:
        os.replace(temporary, path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, path)


def remove_abandoned(parts: Path) -> int:
    """Remove what processes that were killed left in a folder of parts; those that live keep theirs.

    Returns
    -------
    int
        How many files there were.
    """
    removed = 0
    with contextlib.suppress(FileNotFoundError):
        for entry in list(os.scandir(parts)):
            with contextlib.suppress(OSError):
                descriptor = os.open(entry.path, os.O_RDONLY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)
                    removed += 1
                finally:
                    os.close(descriptor)
    return removed


def sync_folders(folders: Iterable[Path]) -> None:
    """Have the names in folders on the disk: a rename outlives a power cut only then."""
    for folder in set(folders):
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
