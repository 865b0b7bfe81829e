"""Base backups: the files of the whole database server, made consistent by the log written during the backup.

`pg_basebackup` makes them over a replication connection, without stopping anything. They include Dagster's database
if it is on the same server. They are compressed tar archives with the server's own manifest of checksums.
"""

from __future__ import annotations

import datetime
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import psycopg

from broker_assets.backups.content import ledger_state, revision, server_version
from broker_assets.backups.manifest import BackupError, DamagedBackup, LedgerState, LogRange, Manifest, digest
from broker_assets.backups.programs import Connection, Programs
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.database.engine import connect

DATA = "base.tar.gz"
LOG = "pg_wal.tar.gz"
SERVER_MANIFEST = "backup_manifest"
_KNOWN = {DATA, LOG, SERVER_MANIFEST}


def write_base(url: str, shelf: Shelf, programs: Programs) -> Backup:
    """Make a base backup of the server of a database.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a role that may replicate and reads the ledger.
    shelf, programs : Shelf, Programs
        Where it goes, and the programs that make it.

    Raises
    ------
    BackupError
        If the role may not replicate, the disk is full, or the server has tablespaces.
    """
    begun = datetime.datetime.now(datetime.UTC)
    connection = Connection.of(url)
    with shelf.building("database") as (folder, finish):
        with connect(url, application="broker-assets backup", read_only=True) as reader:
            # Before the copy begins, so that everything in the ledger now is in the backup.
            step, version, ledger = revision(reader), server_version(reader), _ledger(reader)
            segment, role, database = _segment_size(reader), reader.info.user, reader.info.dbname
        arguments: list[str | Path] = ["--pgdata", folder, "--format", "tar", "--compress", "client-gzip:1"]
        arguments += ["--wal-method", "stream", "--checkpoint", "fast", "--no-password"]
        arguments += ["--manifest-checksums", "SHA256", "--label", "broker-assets", "-d", connection.text]
        programs.run("pg_basebackup", arguments, environment=connection.environment)
        surplus = {path.name for path in folder.iterdir()} - _KNOWN
        if surplus:
            raise BackupError(f"the server has tablespaces ({', '.join(sorted(surplus))}), which are not supported")
        manifest = Manifest(
            kind="database",
            begun=begun,
            ended=datetime.datetime.now(datetime.UTC),
            server=version,
            role=role,
            database=database,
            revision=step,
            files=(),
            ledger=ledger,
            log=_log_range(folder / SERVER_MANIFEST, segment),
        )
        return finish(manifest)


def extract(shelf: Shelf, backup: Backup, target: Path) -> Manifest:
    """Unpack a base backup into an empty folder, after comparing all its files with the manifest.

    Raises
    ------
    DamagedBackup
        If a file differs.
    BackupError
        If the folder is not empty, or the disk is full.
    """
    manifest = shelf.opened(backup)
    if target.exists() and any(target.iterdir()):
        raise BackupError(f"{target} is not empty: a base backup is only unpacked into an empty folder")
    try:
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(0o700)
        for name, folder in ((DATA, target), (LOG, target / "pg_wal")):
            with tarfile.open(backup.path / name, "r:gz") as archive:
                archive.extractall(folder, filter="data")
        _verify_data(backup.path / SERVER_MANIFEST, target)
    except (tarfile.TarError, EOFError) as error:
        raise DamagedBackup(f"{backup.path} cannot be unpacked: {error}") from error
    except OSError as error:
        raise BackupError(f"{backup.name} cannot be unpacked into {target}: {error.strerror or error}") from error
    return manifest


def _verify_data(path: Path, data: Path) -> None:
    """Compare unpacked files with the checksums that the server calculated when it sent them.

    As `pg_verifybackup` does, which crashes in the wheel of the embedded server (version 18.4).
    """
    for file in json.loads(path.read_text())["Files"]:
        name = file["Path"] if "Path" in file else bytes.fromhex(file["Encoded-Path"]).decode()
        unpacked = data / name
        if not unpacked.is_file() or unpacked.stat().st_size != file["Size"]:
            raise DamagedBackup(f"{path.parent}: {name} is missing in {DATA}, or has another size than on the server")
        if digest(unpacked) != file["Checksum"]:
            raise DamagedBackup(f"{path.parent}: {name} differs from what the server sent")


def _ledger(connection: psycopg.Connection[Any]) -> LedgerState | None:
    found = connection.execute("SELECT to_regclass('ingest_batch') IS NOT NULL").fetchone()
    return ledger_state(connection) if found is not None and found[0] else None


def _segment_size(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT setting::bigint * CASE unit WHEN '8kB' THEN 8192 ELSE 1 END FROM pg_settings"
        " WHERE name = 'wal_segment_size'"
    ).fetchone()
    assert row is not None  # noqa: S101 - every server has this setting
    return int(row[0])


def _log_range(path: Path, segment: int) -> LogRange:
    """The range of the log, from the server's own manifest.

    Raises
    ------
    BackupError
        If it cannot be read.
    """
    try:
        ranges = json.loads(path.read_text())["WAL-Ranges"]
        timeline = int(ranges[0]["Timeline"])
        names = [_segment_name(timeline, one, segment) for one in (ranges[0]["Start-LSN"], ranges[-1]["End-LSN"])]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BackupError(f"{path} cannot be read: {error}") from error
    return LogRange(timeline=timeline, first=names[0], last=names[1], segment_size=segment)


def _segment_name(timeline: int, position: str, size: int) -> str:
    """Name of the segment with a position of the log.

    Examples
    --------
    >>> _segment_name(1, "0/A000028", 16 * 1024**2)
    '00000001000000000000000A'
    >>> _segment_name(2, "1/FF000000", 16 * 1024**2)
    '0000000200000001000000FF'
    """
    found = re.fullmatch(r"([0-9A-F]+)/([0-9A-F]+)", position)
    if found is None:
        raise ValueError(f"{position!r} is not a position of the write-ahead log")
    number = (int(found[1], 16) << 32 | int(found[2], 16)) // size
    per_file = 2**32 // size
    return f"{timeline:08X}{number // per_file:08X}{number % per_file:08X}"
