"""Files and folders on a local disk that are complete or absent.

They are written under a hidden name on the same file system, flushed to disk, and renamed. A reader sees the old
content or the new one; an error or a killed process leaves the old one. Hidden names begin with a dot and end with
`.part`. Each is locked while the process that writes it is alive, so `remove_abandoned` recognises what a killed
process has left. Files in object stores and on SFTP servers are in `objects`.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import glob
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PARTS: Final = ".parts"
"""Folder of files that are being written, below an archive or a store, on the same file system."""
SUFFIX: Final = ".part"
"""Suffix of hidden names."""
BLOCK: Final = 1 << 20
"""Bytes that are read or written at a time."""
_LONGEST: Final = 200
"""Bytes of a file's name that its hidden name repeats, at most; names may have 255."""

_OWN_GROUP: Final = 0o640
"""Permissions of files: the user writes, the group reads."""
_RANDOM: Final = 32
"""Random characters in a hidden name."""
_HERE: Final = -100
_RENAME_EXCHANGE: Final = 2
"""AT_FDCWD and the flag of renameat2(2), from linux/fcntl.h and linux/fs.h."""

_libc = ctypes.CDLL(None, use_errno=True)

_Maker: TypeAlias = Callable[[Path], int]


@runtime_checkable
class Readable(Protocol):
    """An open binary file."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        ...


Content: TypeAlias = "ReadableBuffer | str | Path | Readable | Iterable[ReadableBuffer]"
"""Possible contents of a file: bytes, text (written as UTF-8), a file to copy, an open binary file, or pieces."""


def replace_atomically(
    path: Path, content: Content, *, parts: Path | None = None, mode: int | None = None, sync_name: bool = True
) -> None:
    """Give a file new content; whatever happens, it has either the old or the new content.

    Parameters
    ----------
    path : Path
        File; folders above it are made. A symbolic link is replaced, not followed.
    content : bytes-like, str, Path, binary file, or iterable of bytes-like
        The content; pieces are written one after another and need not fit into memory together.
    parts : Path, optional
        Folder for the file until it is complete, on the same file system. Default: the folder of `path`.
    mode : int, optional
        Permissions. Default: what the umask leaves of 0o640; other users of the machine can read nothing.
    sync_name : bool
        Whether the name is also on disk when this returns. If not, the old content may be back after a power failure;
        `sync_folders` does the same once for many files.

    Raises
    ------
    OSError
        If it cannot be written (disk full, no permission); nothing is left behind then.
    """
    with Part(path.parent if parts is None else parts, path.name, mode=mode) as part:
        for block in blocks(content):
            part.write(block)
        part.move_to(path, sync_name=sync_name)


def blocks(content: Content) -> Iterator[ReadableBuffer]:
    """The bytes of a content; small pieces are joined into blocks of at most `BLOCK` bytes."""
    if isinstance(content, str):
        yield content.encode()
    elif isinstance(content, Path):
        with content.open("rb") as stream:
            yield from blocks(stream)
    elif isinstance(content, Readable):
        while block := content.read(BLOCK):
            yield block
    else:
        try:
            view = memoryview(content)  # type: ignore[arg-type]  # whether it is one is the question
        except TypeError:
            yield from _joined(content)  # type: ignore[arg-type]
        else:
            yield view


def _joined(pieces: Iterable[ReadableBuffer]) -> Iterator[ReadableBuffer]:
    small = bytearray()
    for piece in pieces:
        size = memoryview(piece).nbytes
        if len(small) + size > BLOCK:
            yield small
            small = bytearray()
        if size > BLOCK:
            yield piece
        else:
            small += piece
    yield small


class Part:
    """A file that is being written: hidden until `move_to`, removed at the end of the `with` if that was not called.

    Use it if the name of the file is only known after its content, or if another library writes to `path`; otherwise
    see `replace_atomically`.

    Parameters
    ----------
    folder : Path
        Folder of the hidden name, made if absent; on the file system of the final one.
    name : str
        Beginning of the hidden name; preferably the final name.
    mode : int, optional
        Permissions. Default: what the umask leaves of 0o640; other users of the machine can read nothing.
    """

    def __init__(self, folder: Path, name: str, *, mode: int | None = None) -> None:
        self._mode = mode
        self._descriptor, self.path = _locked(folder, name, lambda path: _new_file(path, mode))

    def write(self, piece: ReadableBuffer) -> None:
        """Append bytes.

        Raises
        ------
        OSError
            If they cannot be written; it names the file.
        """
        rest = memoryview(piece)
        if rest.nbytes:
            rest = rest.cast("B")
        try:
            while len(rest):
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:  # of a descriptor, which has no name
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def move_to(self, path: Path, *, sync_name: bool = True) -> None:
        """Flush the content to disk and give the file its name; see `replace_atomically`."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        if self._mode is not None:
            os.fchmod(self._descriptor, self._mode)
        made = _made(path.parent)
        os.replace(self.path, path)
        if sync_name:
            sync_folders([path.parent, *made])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def move_file(file: Path, target: Path, *, sync_name: bool = True) -> None:
    """Flush a file that is complete to disk and give it its name, on the same file system; see `replace_atomically`.

    Raises
    ------
    OSError
        If it cannot be flushed or renamed; the target has its old content then.
    """
    sync(file)
    made = _made(target.parent)
    os.replace(file, target)
    if sync_name:
        sync_folders([target.parent, *made])


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Build a folder under a hidden name; when the block ends, it is complete, on disk, and gets its final name.

    Parameters
    ----------
    target : Path
        The final name, next to which it is built. If another process has made a folder of this name in the meantime,
        that one stays and this one is dropped.

    Yields
    ------
    Path
        The folder to fill.

    Raises
    ------
    OSError
        If it cannot be written. After an error, in here or in the block, nothing is left behind.
    """
    with hidden_folder(target.parent, target.name) as building:
        yield building
        try:
            move_folder(building, target)
        except OSError:
            if not target.is_dir():
                raise


@contextlib.contextmanager
def hidden_folder(folder: Path, name: str) -> Iterator[Path]:
    """A new folder under a hidden name, locked; removed at the end of the block unless it was moved away."""
    descriptor, path = _locked(folder, name, _new_folder)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def move_folder(folder: Path, target: Path) -> None:
    """Flush a folder with all its contents to disk and rename it; folders above the new name are made.

    Raises
    ------
    OSError
        If the target exists and is not an empty folder, or something cannot be written.
    """
    for path, _, names in os.walk(folder):
        for name in names:
            if stat.S_ISREG(os.lstat(os.path.join(path, name)).st_mode):
                sync(Path(path, name))
        sync(Path(path))
    made = _made(target.parent)
    os.rename(folder, target)
    sync_folders([target.parent, *made])


def exchange_folder(building: Path, target: Path) -> None:
    """Flush a folder with all its contents to disk and give it the name of another one, which is removed.

    A reader that opens the target at any moment finds the old folder or the new one.

    Parameters
    ----------
    building : Path
        On the file system of the target.
    target : Path
        Need not exist.

    Raises
    ------
    OSError
        If it cannot be written, or the file system cannot exchange two names.
    """
    if not target.exists():
        move_folder(building, target)
        return
    for path, _, names in os.walk(building):
        for name in names:
            sync(Path(path, name))
        sync(Path(path))
    if _libc.renameat2(_HERE, os.fsencode(building), _HERE, os.fsencode(target), _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
    sync_folders([target.parent])
    shutil.rmtree(building)


def hidden_pattern(name: str) -> str:
    """Glob pattern of the hidden names that a file of this name may have while it is written."""
    return f"{glob.escape(_beginning(name))}{'?' * _RANDOM}{SUFFIX}"


def remove_abandoned(folder: Path) -> int:
    """Remove the hidden files and folders that killed processes left in a folder; those of live processes stay.

    Parameters
    ----------
    folder : Path
        Folder to search, without subfolders; may be absent.

    Returns
    -------
    int
        How many files and folders were removed.
    """
    removed = 0
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(".") and entry.name.endswith(SUFFIX):
                with contextlib.suppress(OSError):
                    removed += _remove_unless_locked(entry)
    return removed


def sync_folders(folders: Iterable[Path]) -> None:
    """Flush the names in folders to disk: only then does a rename survive a power failure. Absent folders are skipped.

    Raises
    ------
    OSError
        If the disk fails.
    """
    for folder in set(folders):
        with contextlib.suppress(FileNotFoundError):
            sync(folder)


def sync(path: Path) -> None:
    """Flush the content of a file, or the names in a folder, to disk.

    Raises
    ------
    OSError
        If the disk fails, or there is nothing with this name.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked(folder: Path, name: str, make: _Maker) -> tuple[int, Path]:
    """A new file or folder under a hidden name, open and locked by this process."""
    while True:
        path = folder / f"{_beginning(name)}{uuid.uuid4().hex}{SUFFIX}"
        try:
            descriptor = make(path)
        except FileNotFoundError:  # no folder yet, or the new file was removed as abandoned before it could be opened
            folder.mkdir(parents=True, exist_ok=True)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            # On a file system without locks, nothing is treated as abandoned either.
            return descriptor, path
        # Between the lines above, another process may have removed it as abandoned.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor, path
        os.close(descriptor)


def _new_file(path: Path, mode: int | None) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWN_GROUP if mode is None else mode)


def _new_folder(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _beginning(name: str) -> str:
    return f".{os.fsencode(name)[:_LONGEST].decode(errors='ignore')}."


def _remove_unless_locked(entry: os.DirEntry[str]) -> bool:
    descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    finally:
        os.close(descriptor)
    return True


def _made(folder: Path) -> list[Path]:
    """Make a folder and its missing parents; return the folders in which there is a new name."""
    missing = []
    for level in (folder, *folder.parents):
        if level.is_dir():
            break
        missing.append(level)
    folder.mkdir(parents=True, exist_ok=True)
    return [level.parent for level in missing]
