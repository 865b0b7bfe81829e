"""A folder that keeps complete versions of one thing side by side, and a pointer to the one in force.

A version is a folder named by a hash of its content. The pointer is a small JSON file with at least
`{"version": …}`, replaced in one step after the version is complete. A reader that follows it sees the old version or
the new one, never a part of one; a process killed in the middle of a build leaves the old version in force. Writers of
a local folder take turns by a lock on the folder; object stores have no locks, so only one process at a time should
write to them. The caller determines the files of a version.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from upath import UPath

from broker_assets.storage.atomic import Content, hidden_folder, move_folder, remove_abandoned
from broker_assets.storage.objects import local_path, store

Found = TypeVar("Found")


class DamagedVersion(RuntimeError):
    """A pointer or a version cannot be used; the message names it."""


class NoVersion(FileNotFoundError):
    """Nothing has been put in force yet."""


class VersionedFolder:
    """Versions of one thing, and the pointer to the one in force.

    Parameters
    ----------
    folder : Path or UPath
        Created when the first version is written.
    pointer : str
        Name of the pointer's file.
    damaged : type of DamagedVersion
        Error that is raised if the pointer is damaged.
    remedy : str
        What to do in that case, for the end of the message.
    """

    def __init__(
        self, folder: Path | UPath, pointer: str, *, damaged: type[DamagedVersion] = DamagedVersion, remedy: str = ""
    ) -> None:
        self.folder = folder
        self._local = local_path(folder)
        self._name = pointer
        self._damaged = damaged
        self._remedy = remedy

    def pointer(self) -> dict[str, Any] | None:
        """Content of the pointer, including `version`; None before the first version.

        Raises
        ------
        DamagedVersion
            If it is not a JSON object with a version.
        """
        path = self.folder / self._name
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            pointer: dict[str, Any] = json.loads(text)
            pointer["version"]
        except (ValueError, TypeError, KeyError) as error:
            raise self._damaged(f"{path} is damaged: {error!r}{self._remedy}") from error
        return pointer

    def read(self, reader: Callable[[Any, dict[str, Any]], Found]) -> Found:
        """Read the version in force; if it is replaced and removed in the meantime, read the new one.

        Parameters
        ----------
        reader : callable
            Reads a version, given its folder and the pointer; raises FileNotFoundError or `DamagedVersion` if it
            cannot.

        Raises
        ------
        NoVersion
            If there is none.
        DamagedVersion, FileNotFoundError
            Of the pointer or the reader.
        """
        while True:
            pointer = self.pointer()
            if pointer is None:
                raise NoVersion(f"{self.folder} has no {self._name}")
            try:
                return reader(self.folder / str(pointer["version"]), pointer)
            except (FileNotFoundError, DamagedVersion):
                if self.pointer() == pointer:
                    raise

    def build(
        self,
        version: str,
        fill: Callable[[Path], None],
        pointer: Mapping[str, Any] | None = None,
        *,
        intact: Callable[[Path], bool] = Path.is_dir,
    ) -> None:
        """Put in force a version that another library writes, in a local folder; it is only built if it does not exist.

        Parameters
        ----------
        version : str
            Its name; the same name is the same content.
        fill : callable
            Given an empty folder, writes the files of the version into it.
        pointer : mapping, optional
            Further content of the pointer (JSON).
        intact : callable
            Whether an existing folder of that name can be used; if not, it is replaced.

        Raises
        ------
        ValueError
            If the folder is in another store.
        OSError
            If it cannot be written; the version in force stays.
        """
        if self._local is None:
            raise ValueError(f"{self.folder} is not on this machine")
        target = self._local / version
        while True:
            with contextlib.ExitStack() as stack:
                building = None
                if not intact(target):
                    building = stack.enter_context(hidden_folder(self._local, version))
                    fill(building)
                stack.enter_context(self._alone())
                if not intact(target):
                    if building is None:  # just removed as an old version
                        continue
                    if target.exists():
                        damaged = stack.enter_context(hidden_folder(self._local, version))
                        os.rename(target, damaged)
                    move_folder(building, target)
                self._point({"version": version, **(pointer or {})})
                return

    def put(self, version: str, files: Mapping[str, Content], pointer: Mapping[str, Any] | None = None) -> bool:
        """Put a version in force, in any store; older ones are removed, except the one that was in force before.

        That one stays for readers that have just read the pointer.

        Parameters
        ----------
        version : str
            Its name; the same name is the same content.
        files : mapping of str to content
            Files by name; see `store`.
        pointer : mapping, optional
            Further content of the pointer (JSON).

        Returns
        -------
        bool
            Whether the version in force has changed.

        Raises
        ------
        OSError
            If it cannot be written; the version in force stays.
        """
        wanted = {"version": version, **(pointer or {})}
        folder = self.folder / version
        with self._alone():
            before = self.pointer()
            if before == wanted and all((folder / name).exists() for name in files):
                return False
            for name, content in files.items():
                store(folder / name, content)
            self._point(wanted)
            self._remove_but({version} if before is None else {version, str(before["version"])})
        return before is None or before["version"] != version

    def remove_old(self, *, keep: int) -> list[str]:
        """Remove versions of a local folder not in force, except the newest `keep`, and what killed builds left.

        Returns
        -------
        list of str
            Their names, oldest first.

        Notes
        -----
        A reader that has mapped a removed version keeps its pages until it closes them (POSIX).
        """
        if self._local is None or not self._local.is_dir():
            return []
        with self._alone():
            remove_abandoned(self._local)
            pointer = self.pointer()
            if pointer is None:
                return []
            versions = [path for path in self._local.iterdir() if path.is_dir() and not path.name.startswith(".")]
            others = [path for path in versions if path.name != pointer["version"]]
            others.sort(key=lambda path: path.stat().st_mtime)
            gone = others[: max(len(others) - keep, 0)]
            for path in gone:
                shutil.rmtree(path, ignore_errors=True)
        return [path.name for path in gone]

    def remove(self) -> None:
        """Remove all versions and the folder, the pointer first; nothing happens if it is absent."""
        if not self.folder.exists():
            return
        with self._alone():
            (self.folder / self._name).unlink(missing_ok=True)
            _remove_tree(self.folder)

    def withdraw(self) -> None:
        """Remove the pointer: no version is in force then. The versions stay."""
        if self.folder.exists():
            with self._alone():
                (self.folder / self._name).unlink(missing_ok=True)

    def _point(self, pointer: Mapping[str, Any]) -> None:
        store(self.folder / self._name, json.dumps(pointer, indent=1))

    def _remove_but(self, keep: Collection[str]) -> None:
        if self._local is not None:
            remove_abandoned(self._local)
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in keep and not path.name.startswith("."):
                _remove_tree(path)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock a local folder, which is created if absent, for one writer at a time; others wait."""
        if self._local is None:
            yield
            return
        descriptor = _lock(self._local)
        try:
            yield
        finally:
            os.close(descriptor)


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock of a folder, which is created if absent."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            # A file system without locks is like an object store.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                same = os.path.samestat(os.fstat(descriptor), folder.stat())
            except FileNotFoundError:  # removed by the writer that had the lock
                same = False
            if same:
                return descriptor
            os.close(descriptor)


def _remove_tree(folder: Path | UPath) -> None:
    local = local_path(folder)
    if local is None:
        remote = UPath(folder)
        remote.fs.rm(remote.path, recursive=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(local)
