"""Restores a base backup: unpacks it, replays the write-ahead log to its end, and compares the result.

The resulting data folder was shut down properly, so any server of the same version can start it.
"""

from __future__ import annotations

import datetime
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from broker_assets.backups.base import extract
from broker_assets.backups.content import ledger_state, revision
from broker_assets.backups.log import Segment, following, histories, unpack
from broker_assets.backups.manifest import BackupError, LedgerState, Manifest
from broker_assets.backups.programs import Programs, User
from broker_assets.backups.scratch import ScratchServer, scratch_folder
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.database.engine import connect
from broker_assets.storage.atomic import move_folder

_LOG = "broker_log"
"""Folder of the segments to replay, within the data folder; removed at the end."""


@dataclass(frozen=True)
class Recovered:
    """Content of a restored server."""

    ledger: LedgerState | None
    revision: str | None
    segments: int
    """Number of segments of the log that were kept after the base backup began."""
    positions: tuple[tuple[str, int, int], ...]
    """Topic, partition, and the offset of the first message that is not in the tables."""


@contextmanager
def recovered(
    shelf: Shelf,
    backup: Backup,
    programs: Programs,
    place: Path,
    user: User | None,
    *,
    database: str = "broker",
    until: datetime.datetime | None = None,
    follow: bool = True,
) -> Iterator[tuple[ScratchServer, Recovered]]:
    """A server that runs on a restored base backup, in `place/data`, for the time of a `with`.

    Parameters
    ----------
    shelf, backup : Shelf, Backup
        What is restored.
    programs : Programs
        Programs of the major version of the backup's server.
    place : Path
        Folder with room for all the data.
    user : User, optional
        User of the server, if this process runs as root.
    database : str
        Database with the ledger.
    until : datetime, optional
        Transactions after this time are left out; default: the end of the log.
    follow : bool
        Whether the log is replayed beyond the base backup.

    Raises
    ------
    DamagedBackup
        If a file of the backup or a segment of the log is damaged or missing.
    BackupError
        If the server does not start, or lacks what was in the ledger when the backup began; or if it cannot be brought
        to the state of `until`.
    """
    manifest = shelf.opened(backup)
    _same_version(programs, manifest)
    log = shelf.log_after(manifest)
    if until is not None and until < manifest.ended:
        raise BackupError(
            f"{backup.name} was completed at {manifest.ended:%Y-%m-%d %H:%M:%S %Z} and may have transactions after "
            f"{until:%Y-%m-%d %H:%M:%S %Z}: restore an earlier one"
        )
    kept = following(log, manifest.log) if follow and manifest.log is not None else []
    if until is not None and not kept:
        raise BackupError(
            f"without the write-ahead log that followed it, {backup.name} cannot be brought to the state of "
            f"{until:%Y-%m-%d %H:%M:%S %Z}; without --until, it is that of {manifest.ended:%Y-%m-%d %H:%M:%S %Z}"
        )
    data = place / "data"
    extract(shelf, backup, data)
    settings = _prepare(log, manifest, data, kept, until)
    if user is not None:
        user.give(data)
    server = ScratchServer(programs, data, user, superuser=manifest.role)
    try:
        # All of it is flushed to disk at the end. Without readers in the meantime, the original server's limits on
        # connections need not be known.
        try:
            server.start(seconds=600.0, hot_standby="off", fsync="off", **settings)
        except BackupError as error:
            last = re.search(r"last completed transaction was at log time (\S+ \S+)", str(error))
            if "before configured recovery target" not in str(error):
                raise
            ends = f" with a transaction of {last[1]}" if last is not None else ""
            raise BackupError(
                f"the write-ahead log in {log} ends{ends}, before {until:%Y-%m-%d %H:%M:%S %Z}: leave out --until to "
                "restore all of it"
            ) from None
        yield server, _look(server, database, manifest, len(kept))
    finally:
        server.close()


def restore_base(
    shelf: Shelf,
    backup: Backup,
    programs: Programs,
    target: Path,
    *,
    database: str = "broker",
    until: datetime.datetime | None = None,
    follow: bool = True,
) -> Recovered:
    """Make a data folder from a base backup and the log; it only gets its name after all of it has been checked.

    Parameters
    ----------
    target : Path
        The data folder of the server that will be started; must not exist, or be empty.

    Raises
    ------
    As `recovered`, and BackupError if the target has files.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BackupError(f"{target} has files already: nothing was changed; restore into another folder, or move it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(target.parent) as (place, user):
        with recovered(shelf, backup, programs, place, user, database=database, until=until, follow=follow) as (
            server,
            found,
        ):
            server.stop()
        data = place / "data"
        shutil.rmtree(data / _LOG, ignore_errors=True)
        try:
            move_folder(data, target)
        except OSError as error:
            raise BackupError(f"{target} cannot be written: {error.strerror or error}") from error
    return found


def _prepare(
    kept_in: Path, manifest: Manifest, data: Path, kept: list[Segment], until: datetime.datetime | None
) -> dict[str, str]:
    """Put the log into the data folder, readable for the server's user; return settings for how far to replay it."""
    for name in ("standby.signal", "recovery.signal", "postmaster.pid"):
        (data / name).unlink(missing_ok=True)
    if not kept or manifest.log is None:
        return {}
    log = data / _LOG
    log.mkdir(mode=0o700)
    for segment in kept:
        unpack(segment, log, manifest.log.segment_size)
    for history in histories(kept_in):
        shutil.copyfile(history, log / history.name)
    (data / "recovery.signal").touch(0o600)
    settings = {"restore_command": f'cp "{_LOG}/%f" "%p"', "recovery_target_timeline": "latest"}
    if until is not None:
        settings["recovery_target_time"] = until.astimezone(datetime.UTC).isoformat(sep=" ")
    return settings | {"recovery_target_action": "promote"}


def _look(server: ScratchServer, database: str, manifest: Manifest, segments: int) -> Recovered:
    with connect(server.url(database), application="broker-assets restore", read_only=True) as connection:
        step = revision(connection)
        if step is None:
            return Recovered(None, None, segments, ())
        ledger = ledger_state(connection)
        if manifest.ledger is not None:
            then = ledger_state(connection, up_to=manifest.ledger.ingestid)
            # Batches that were being written when the backup began may have been added.
            if any(now < before for now, before in zip(_numbers(then), _numbers(manifest.ledger), strict=True)):
                raise BackupError(
                    f"up to batch {manifest.ledger.ingestid} the restored ledger has {then.received} messages and "
                    f"{then.sources} sources, and had {manifest.ledger.received} and {manifest.ledger.sources}"
                )
        rows = connection.execute(
            'SELECT topic, "partition", next_offset FROM stream_offset ORDER BY topic, "partition"'
        ).fetchall()
        return Recovered(ledger, step, segments, tuple((str(a), int(b), int(c)) for a, b, c in rows))


def _numbers(ledger: LedgerState) -> list[int]:
    return list(ledger.model_dump().values())


def _same_version(programs: Programs, manifest: Manifest) -> None:
    said = programs.run("postgres", ["--version"], seconds=30)
    major = manifest.server // 10000
    found = re.search(r"\) (\d+)", said)
    if found is None or int(found[1]) != major:
        raise BackupError(
            f"the backup is of PostgreSQL {major}, and the programs in {programs.folder} are {said.strip()}: name "
            "those of its version in BROKER_BACKUP__PROGRAMS"
        )
