"""The manifest of a backup: its files with their checksums, and the content of the database.

The manifest is written last. A folder without one, or with files that differ from it, is not a backup.
"""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

NAME: Final = "manifest.json"
FORMAT: Final = 1
"""Increased if older code cannot read a new backup; newer code reads all."""

Kind = Literal["users", "database", "objects"]
KINDS: Final[tuple[Kind, ...]] = ("users", "database", "objects")
"""Users' data; the files of the whole database server; the list of the object store."""


class BackupError(RuntimeError):
    """A backup cannot be made or restored; the message says why."""


class DamagedBackup(BackupError):
    """A backup is incomplete or has changed since it was made; the message names the file."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class StoredFile(_Frozen):
    """A file of a backup."""

    name: str
    """Path below the folder of the backup."""
    size: int
    """Bytes."""
    sha256: str


class TableContent(_Frozen):
    """Content of a table."""

    rows: int
    checksum: int
    """Sum of the 64-bit hashes of its rows as text; it does not depend on their order."""


class LedgerState(_Frozen):
    """Content of the ledger: everything up to this batch is in the backup."""

    ingestid: int = 0
    """Newest batch; 0 if there is none."""
    batches: int = 0
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    sources: int = 0
    """Rows of `diasources` that batches up to the newest one provided."""


class LogRange(_Frozen):
    """Part of the write-ahead log that a base backup needs to be consistent; later segments roll it forward."""

    timeline: int
    first: str
    """Name of the segment in which it begins."""
    last: str
    """Name of the segment in which it ends."""
    segment_size: int
    """Bytes."""


class Manifest(_Frozen):
    """Content of a backup."""

    format: int = FORMAT
    kind: Kind
    begun: datetime.datetime
    ended: datetime.datetime
    server: int = 0
    """Version of the PostgreSQL server, as `server_version_num`."""
    role: str = "postgres"
    """Role with which the backup was made."""
    database: str = ""
    """Name of the database with the tables."""
    revision: str | None = None
    """Migration revision of the database."""
    files: tuple[StoredFile, ...]
    tables: dict[str, TableContent] = {}
    ledger: LedgerState | None = None
    log: LogRange | None = None
    objects: int = 0
    """Files in the object store."""
    bytes: int = 0
    """Their size."""

    @property
    def size(self) -> int:
        """Bytes of the backup."""
        return sum(file.size for file in self.files)


def describe_files(folder: Path) -> tuple[StoredFile, ...]:
    """Size and checksum of every file below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        StoredFile(name=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=digest(path))
        for path in paths
        if path.name != NAME
    )


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup.

    Raises
    ------
    DamagedBackup
        If there is none, or it cannot be read.
    BackupError
        If it was made by newer code.
    """
    path = folder / NAME
    try:
        found = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DamagedBackup(f"{folder} has no {NAME}: the backup was not completed") from None
    except (ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DamagedBackup(f"{path} cannot be read: {reason}") from None
    if found.format > FORMAT:
        raise BackupError(f"{folder} was made by newer code (format {found.format}); this one reads up to {FORMAT}")
    return found


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Compare the files of a backup with its manifest.

    Raises
    ------
    DamagedBackup
        If a file is missing or differs; the message names the first.
    """
    for file in manifest.files:
        path = folder / file.name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise DamagedBackup(f"{folder}: the manifest names {file.name!r}, which is outside of it")
        if not path.is_file():
            raise DamagedBackup(f"{path} is missing")
        size = path.stat().st_size
        if size != file.size:
            raise DamagedBackup(f"{path} has {size:,} bytes, not {file.size:,}")
        if digest(path) != file.sha256:
            raise DamagedBackup(f"{path} has changed since the backup was made: its SHA-256 differs")
