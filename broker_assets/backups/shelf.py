"""The folder of the backups: one subfolder for each, complete or absent, not accessible to other users.

`<folder>/<kind>/<time of its beginning>/` with the files and the manifest; the write-ahead log is in `<folder>/log`.
"""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker_assets.backups.log import segment_number, segments
from broker_assets.backups.manifest import (
    KINDS,
    NAME,
    BackupError,
    DamagedBackup,
    Kind,
    Manifest,
    describe_files,
    read_manifest,
    verify_files,
)
from broker_assets.storage.atomic import hidden_folder, move_folder, remove_abandoned

_TIME: Final = "%Y%m%dT%H%M%S.%fZ"
_CLOSED_FOLDER: Final = 0o700
_CLOSED_FILE: Final = 0o600
"""Permissions of files: backups contain hashes of passwords and tokens."""


@dataclass(frozen=True)
class Backup:
    """A backup in the folder."""

    path: Path
    kind: Kind
    manifest: Manifest | None
    """None if it is damaged."""
    damage: str = ""
    """Why it cannot be used."""

    @property
    def name(self) -> str:
        """Kind and time, as in commands."""
        return f"{self.kind}/{self.path.name}"


class Shelf:
    """The backups of a folder.

    Parameters
    ----------
    folder : Path
        Created with the first backup.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def log(self) -> Path:
        """Folder of the write-ahead log."""
        return self.folder / "log"

    def log_after(self, manifest: Manifest) -> Path:
        """Folder of the write-ahead log that follows a base backup: the present one, or one that was put aside later.

        A log that was put aside after the backup began, with segments that follow it, is that of the server before it
        was restored; a restored server writes the present log.
        """
        if manifest.log is None:
            return self.log
        size = manifest.log.segment_size
        timeline, first = segment_number(manifest.log.first, size)
        for aside in sorted(self.folder.glob("log-*Z")):
            closed = _time_of(aside.name.removeprefix("log-"))
            follow = (one.timeline == timeline and one.number >= first for one in segments(aside, size))
            if closed >= manifest.begun and any(follow):
                return aside
        return self.log

    def backups(self, kind: Kind | None = None) -> list[Backup]:
        """Backups of a kind, or all, the newest last; including damaged ones."""
        found = []
        for one in KINDS if kind is None else (kind,):
            folder = self.folder / one
            if folder.is_dir():
                names = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
                found += [self.look(path, one) for path in names]
        return found

    def newest(self, kind: Kind, *, until: datetime.datetime | None = None) -> Backup:
        """The newest backup of a kind that can be read; with `until`, of those that were completed by then.

        Raises
        ------
        BackupError
            If there is none.
        """
        usable = [backup for backup in self.backups(kind) if backup.manifest is not None]
        if not usable:
            raise BackupError(f"{self.folder} has no backup of the kind {kind!r}")
        early = [one for one in usable if until is None or (one.manifest is not None and one.manifest.ended <= until)]
        if not early:
            raise BackupError(
                f"{self.folder} has no backup of the kind {kind!r} from before {until:%Y-%m-%d %H:%M:%S %Z}"
            )
        return early[-1]

    def named(self, name: str, *, until: datetime.datetime | None = None) -> Backup:
        """A backup by its name: `users/20260101T220000.000000Z`, or only `users` for the newest of a kind.

        Parameters
        ----------
        name : str
            Name or kind.
        until : datetime, optional
            Of a kind, the newest that was completed by then.

        Raises
        ------
        BackupError
            If there is no backup with this name, or none of that age.
        """
        for kind in KINDS:
            if name == kind:
                return self.newest(kind, until=until)
        for backup in self.backups():
            if backup.name == name:
                return backup
        raise BackupError(f"{self.folder} has no backup {name!r}; `broker-assets backup list` shows those that it has")

    def opened(self, backup: Backup) -> Manifest:
        """The manifest of a backup, after comparing all its files with it.

        Raises
        ------
        DamagedBackup
            If a file is missing or differs.
        """
        if backup.manifest is None:
            raise DamagedBackup(backup.damage)
        verify_files(backup.path, backup.manifest)
        return backup.manifest

    @contextmanager
    def building(self, kind: Kind) -> Iterator[tuple[Path, Callable[[Manifest], Backup]]]:
        """A hidden folder to fill, and the function that makes it a backup; without that call, nothing is left.

        Yields
        ------
        folder : Path
            To be filled.
        finish : callable
            Takes the manifest, fills in its files, and returns the backup.

        Raises
        ------
        BackupError
            If the disk is full, or something cannot be written.
        """
        target = self.folder / kind
        self._make(target)
        remove_abandoned(target)
        try:
            with hidden_folder(target, kind) as folder:
                folder.chmod(_CLOSED_FOLDER)
                yield folder, lambda manifest: self._finish(folder, target, manifest)
        except OSError as error:
            raise BackupError(f"the backup cannot be written to {target}: {error.strerror or error}") from error

    def close_log(self) -> Path | None:
        """Move the write-ahead log aside, since a restored server writes another one; return its folder."""
        if not self.log.is_dir():
            return None
        now = datetime.datetime.now(datetime.UTC)
        aside = self.log.with_name(f"log-{now:{_TIME}}")
        self.log.rename(aside)
        return aside

    def prune(self, kind: Kind, *, before: datetime.datetime) -> list[str]:
        """Remove backups that began before a time, and damaged ones of that age; never the newest usable one.

        Returns
        -------
        list of str
            Names of those that were removed.
        """
        removed = []
        found = self.backups(kind)
        usable = [backup for backup in found if backup.manifest is not None]
        for backup in found:
            if usable and backup != usable[-1] and _time_of(backup.path.name) < before:
                shutil.rmtree(backup.path)
                removed.append(backup.name)
        return removed

    def look(self, path: Path, kind: Kind) -> Backup:
        """The backup in a folder, with the reason if it is damaged or of another kind."""
        try:
            manifest = read_manifest(path)
            if manifest.kind != kind:
                raise DamagedBackup(f"{path} is a backup of the kind {manifest.kind!r}")
        except BackupError as error:
            return Backup(path, kind, None, str(error))
        return Backup(path, kind, manifest)

    def _finish(self, folder: Path, target: Path, manifest: Manifest) -> Backup:
        for path in folder.rglob("*"):
            path.chmod(_CLOSED_FOLDER if path.is_dir() else _CLOSED_FILE)
        complete = manifest.model_copy(update={"files": describe_files(folder)})
        written = folder / NAME
        written.touch(_CLOSED_FILE)
        written.write_text(complete.model_dump_json(indent=1) + "\n")
        path = target / f"{manifest.begun.astimezone(datetime.UTC):{_TIME}}"
        move_folder(folder, path)
        return Backup(path, manifest.kind, complete)

    def _make(self, folder: Path) -> None:
        for path in (self.folder, folder):
            if not path.is_dir():
                path.mkdir(parents=True)
                os.chmod(path, _CLOSED_FOLDER)


def _time_of(name: str) -> datetime.datetime:
    """When a backup began, from its name; the earliest possible time for other names."""
    try:
        return datetime.datetime.strptime(name, _TIME).replace(tzinfo=datetime.UTC)
    except ValueError:
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)
