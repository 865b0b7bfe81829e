"""Copies of backups on another machine, in any store that fsspec supports.

The manifest is copied last, so that a copy without one is incomplete; a copy is fetched file by file and compared with
its manifest like every backup.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec

from broker_assets.backups.manifest import KINDS, NAME, BackupError
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.storage.atomic import hidden_folder, move_folder


class Copies:
    """Copies of backups in a store.

    Parameters
    ----------
    url : str
        fsspec URL of their folder.
    options : mapping
        Options of the file system.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self._options = dict(options or {})

    def names(self) -> list[str]:
        """Names of the complete copies."""
        files, root = self._open()
        found = []
        for kind in KINDS:
            folder = f"{root}/{kind}"
            if files.isdir(folder):
                paths = [str(path).rstrip("/") for path in files.ls(folder, detail=False)]
                found += [f"{kind}/{path.rpartition('/')[2]}" for path in paths if files.exists(f"{path}/{NAME}")]
        return sorted(found)

    def bring(self, shelf: Shelf) -> list[str]:
        """Copy backups that the store does not have yet; return their names.

        Raises
        ------
        BackupError
            If the store cannot be reached or written.
        """
        present = set(self.names())
        done = []
        for backup in shelf.backups():
            if backup.manifest is not None and backup.name not in present:
                self._copy(backup)
                done.append(backup.name)
        return done

    def remove_surplus(self, shelf: Shelf) -> list[str]:
        """Remove copies of backups that were removed locally for their age: those older than the oldest local one."""
        files, root = self._open()
        removed = []
        for kind in KINDS:
            kept = [backup.name for backup in shelf.backups(kind)]
            for name in self.names():
                if kept and name.startswith(f"{kind}/") and name < kept[0]:
                    files.rm(f"{root}/{name}", recursive=True)
                    removed.append(name)
        return removed

    def fetch(self, name: str, shelf: Shelf) -> Backup:
        """Fetch a copy into the local folder of backups.

        Raises
        ------
        BackupError
            If there is no copy with this name.
        DamagedBackup
            If it differs from its manifest; nothing is kept then.
        """
        files, root = self._open()
        if name not in self.names():
            raise BackupError(f"{self.url} has no complete copy {name!r}")
        kind = next(one for one in KINDS if name.startswith(f"{one}/"))
        target = shelf.folder / name
        try:
            with hidden_folder(target.parent, kind) as folder:
                folder.chmod(0o700)
                files.get(f"{root}/{name}/", f"{folder}/", recursive=True)
                for path in folder.rglob("*"):
                    path.chmod(0o700 if path.is_dir() else 0o600)
                shelf.opened(shelf.look(folder, kind))
                move_folder(folder, target)
        except OSError as error:
            raise BackupError(f"{name} cannot be fetched from {self.url}: {error}") from error
        return shelf.named(name)

    def _copy(self, backup: Backup) -> None:
        files, root = self._open()
        folder = f"{root}/{backup.name}"
        try:
            names = sorted(path for path in backup.path.rglob("*") if path.is_file())
            for path in sorted(names, key=lambda path: path.name == NAME):
                self._put(files, path, f"{folder}/{path.relative_to(backup.path).as_posix()}")
        except OSError as error:
            raise BackupError(f"{backup.name} cannot be copied to {self.url}: {error}") from error

    def _put(self, files: Any, path: Path, target: str) -> None:
        files.makedirs(target.rpartition("/")[0], exist_ok=True)
        files.put_file(str(path), target)
        if "file" in (files.protocol if isinstance(files.protocol, tuple) else (files.protocol,)):
            Path(target).chmod(0o600)

    def _open(self) -> tuple[Any, str]:
        try:
            files, root = fsspec.core.url_to_fs(self.url, **self._options)
        except (OSError, ValueError, ImportError) as error:
            raise BackupError(f"{self.url} cannot be opened: {error}") from error
        return files, str(root).rstrip("/")
