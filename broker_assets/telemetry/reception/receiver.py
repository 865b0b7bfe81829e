"""Stores the packets of telemetry files from the incoming folders, each content once, whatever crashes.

A run holds a lock in the database, so there is one at a time. It goes through the files that wait: copies a complete
file (`folders`), puts its packets into the packet store, and writes each step into the register
(`register`) before the next. A file that cannot be read is retried later and finally
quarantined with its bytes; it never stops the others. A full disk or an unavailable database, which stops everything,
is not the fault of a file and leaves it waiting.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from broker_assets.database.engine import connect
from broker_assets.database.turns import session_turn, turn_is_free
from broker_assets.storage.atomic import remove_abandoned
from broker_assets.telemetry.archive.days import touched_days
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
from broker_assets.telemetry.packets.files import FileLimits, UnknownFile
from broker_assets.telemetry.reception import register, steps
from broker_assets.telemetry.reception.folders import FolderError, IncomingFolder, NotComplete
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.register import RegisteredFile
from broker_assets.telemetry.reception.steps import BadPiece
from broker_assets.telemetry.reception.storing import receive, receive_again

logger = logging.getLogger(__name__)

LOCK: Final = "broker_assets telemetry files"
"""Name of the advisory lock that a run holds."""
MOST_TRIES: Final = 6
"""Attempts at a file, including those in which the run died, before it is quarantined."""
_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO})
"""Disk errors that would also affect the next file."""


class IngestBusy(Exception):
    """Another run is already processing telemetry files."""


@dataclass(frozen=True)
class Limits:
    """Limits of a run."""

    files: int = 2000
    """Maximum number of files per run."""
    seconds: float = 600.0
    """No file is started after this time."""
    tries: int = MOST_TRIES


@dataclass(frozen=True)
class FileOutcome:
    """Outcome of a file."""

    file: RegisteredFile
    state: str
    """Its current state."""
    reason: str = ""
    packets: int = 0
    new: int = 0
    bad: int = 0
    seconds: float = 0.0


@dataclass
class Ingested:
    """Result of a run."""

    files: list[FileOutcome] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    """Folders that could not be listed, and why."""
    stopped: str = ""
    """Why it ended early: a problem that affects every file."""
    seconds: float = 0.0

    def count(self, state: str) -> int:
        """Number of files that ended in a state."""
        return sum(outcome.state == state for outcome in self.files)

    @property
    def packets(self) -> int:
        """Packets of the processed files."""
        return sum(outcome.packets for outcome in self.files)

    @property
    def new(self) -> int:
        """Number of these packets that were new."""
        return sum(outcome.new for outcome in self.files)

    @property
    def bad(self) -> int:
        """Packets, and other pieces, that could not be used."""
        return sum(outcome.bad for outcome in self.files)


@contextmanager
def ingest_session(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The connection of a run, which holds the lock: a run that loses the lock can no longer write.

    Raises
    ------
    IngestBusy
        If another run holds it.
    DatabaseUnavailableError
        If the database cannot be reached.
    """
    connection = connect(database_url, application="broker-assets telemetry", autocommit=True)
    try:
        with session_turn(connection, LOCK) as free:
            if not free:
                raise IngestBusy("telemetry files are being received by another run")
            yield connection
    finally:
        connection.close()


def is_busy(connection: psycopg.Connection[Any]) -> bool:
    """Whether a run holds the lock; the connection must be in a transaction."""
    return not turn_is_free(connection, LOCK)


def look(
    connection: psycopg.Connection[Any], folders: Sequence[IncomingFolder], now: datetime.datetime
) -> dict[str, str]:
    """Record the current contents of the folders; return those that could not be listed, and why."""
    troubles: dict[str, str] = {}
    for folder in folders:
        try:
            with folder as opened:
                listed = opened.files()
        except FolderError as error:
            troubles[folder.url] = str(error)
            continue
        register.observe(connection, folder.url, listed, now)
    return troubles


class Receiver:
    """Stores the packets of waiting files; created within an `ingest_session`.

    Parameters
    ----------
    connection : psycopg.Connection
        That of the session.
    folders : sequence of IncomingFolder
        Folders in which files arrive.
    root : Path
        Folder for copies.
    store : PacketStore
    databases : InstrumentDatabases or InstrumentDatabase
    stable_seconds : float
        Seconds without change after which a file counts as complete.
    run_id : str, optional
        Dagster run.
    limits : Limits
        Of the run.
    file_limits : FileLimits
        Of each file.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        folders: Sequence[IncomingFolder],
        root: Path,
        store: PacketStore,
        databases: InstrumentDatabase | InstrumentDatabases,
        *,
        stable_seconds: float,
        run_id: str | None = None,
        limits: Limits = Limits(),
        file_limits: FileLimits = FileLimits(),
    ) -> None:
        self._connection = connection
        self._folders = {folder.url: folder for folder in folders}
        self._root = root
        self._store = store
        self._databases = databases
        self._stable_seconds = stable_seconds
        self._run_id = run_id
        self._limits = limits
        self._file_limits = file_limits

    def run(
        self,
        *,
        progress: Callable[[FileOutcome], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Ingested:
        """List the folders and receive complete files.

        Parameters
        ----------
        progress : callable
            Called after each file.
        stop : callable
            Called before each file; ends the run if true.

        Raises
        ------
        psycopg.Error
            If the database becomes unavailable; the next run continues where this one ended.
        """
        began = time.monotonic()
        done = Ingested()
        self._root.mkdir(parents=True, exist_ok=True)
        remove_abandoned(self._root)
        register.take_over(self._connection)
        done.troubles = look(self._connection, list(self._folders.values()), _now())
        readable = [url for url in self._folders if url not in done.troubles]
        waiting = register.due(
            self._connection, _now(), self._stable_seconds, folders=readable, most=self._limits.files
        )
        with ExitStack() as stack:
            opened: dict[str, IncomingFolder] = {}
            for file in waiting:
                if stop() or time.monotonic() - began > self._limits.seconds:
                    break
                if file.staged is None and file.folder in done.troubles:
                    continue
                try:
                    if file.staged is None and file.folder not in opened:
                        opened[file.folder] = stack.enter_context(self._folders[file.folder])
                    outcome = self._one(file, opened)
                except FolderError as error:
                    # It could be listed just before; its files stay as they are.
                    done.troubles[file.folder] = str(error)
                    continue
                except _Stopped as error:
                    done.stopped = str(error)
                    break
                done.files.append(outcome)
                progress(outcome)
        done.seconds = time.monotonic() - began
        return done

    def _one(self, file: RegisteredFile, opened: dict[str, IncomingFolder]) -> FileOutcome:
        began = time.monotonic()
        path = register.staged_path(self._root, file)
        if path is None and file.staged is not None:
            steps.set_lost(self._connection, file)
            return FileOutcome(file, "new", "our copy was lost")
        sha256 = file.sha256
        if path is None:
            try:
                path, sha256 = self._stage(file, opened[file.folder])
            except FolderError as error:
                steps.set_copy_failed(self._connection, file, str(error), _now())
                logger.warning("%s cannot be copied: %s", file.url, error)
                # A connection may have been lost: the next file of the folder opens another.
                opened.pop(file.folder, None)
                return FileOutcome(file, "failed", str(error), seconds=time.monotonic() - began)
            except NotComplete as error:
                return FileOutcome(file, "new", str(error), seconds=time.monotonic() - began)
        outcome = self._known(file, path, sha256) or self._receive(file, path)
        return FileOutcome(
            file, outcome.state, outcome.reason, outcome.packets, outcome.new, outcome.bad, time.monotonic() - began
        )

    def _stage(self, file: RegisteredFile, folder: IncomingFolder) -> tuple[Path, str]:
        """Copy a file if it is as recorded in the register."""
        steps.set_staging(self._connection, file)
        found = folder.look(file.url)
        try:
            if found is None:
                raise NotComplete("no longer in its folder")
            if (found.size, found.modified) != (file.size, file.modified):
                raise NotComplete("it has changed since it was listed")
            copied = folder.copy(found, self._root)
        except NotComplete as error:
            steps.set_changed(self._connection, file, folder.look(file.url), str(error), _now())
            raise
        except FolderError:
            raise
        except OSError as error:
            steps.set_waiting(self._connection, file, f"our copy cannot be written: {error}")
            raise _Stopped(f"{self._root} cannot be written: {error}") from error
        staged = str(copied.path.relative_to(self._root))
        steps.set_staged(self._connection, file, copied.sha256, staged, _now())
        return copied.path, copied.sha256

    def _known(self, file: RegisteredFile, path: Path, sha256: str | None) -> FileOutcome | None:
        """Finish a file whose content was processed before."""
        same = None if sha256 is None else register.known_content(self._connection, sha256, file.name)
        if same is None:
            return None
        steps.set_known(self._connection, file, same, self._run_id, _now())
        _remove(path)
        return FileOutcome(file, "processed", f"same content as {same[1]}")

    def _receive(self, file: RegisteredFile, path: Path) -> FileOutcome:
        if file.tries >= self._limits.tries:
            return self._quarantine(file, f"{file.tries} runs ended while reading it")
        tries = file.tries + 1
        # Before it is read, so that a file that crashes the process is counted as well.
        steps.set_tries(self._connection, file, tries)
        try:
            received = receive(path, self._store, self._databases, self._file_limits)
            days = touched_days(self._store, received.touched)
        except UnknownFile as error:
            return self._quarantine(file, str(error).replace(str(path), file.name))
        except Exception as error:
            if _is_of_disk(error):
                steps.set_tries(self._connection, file, file.tries, f"packet store: {error}")
                raise _Stopped(f"the packet store cannot be written: {error}") from error
            logger.exception("%s, attempt %d", file.url, tries)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            if tries >= self._limits.tries:
                return self._quarantine(file, reason)
            steps.set_failed(self._connection, file, tries, reason, _now())
            return FileOutcome(file, "failed", reason)
        except BaseException:
            # An interrupt by the operator is not a failure of the file.
            steps.set_tries(self._connection, file, file.tries)
            raise
        new = received.new if file.tries == 0 else _only_in(self._store, file.name)
        bad = [BadPiece(item.position, item.number, item.reason, item.data) for item in received.bad]
        steps.set_processed(
            self._connection,
            file,
            packets=received.packets,
            new=new,
            bad=bad,
            days=days,
            run_id=self._run_id,
            now=_now(),
        )
        _remove(path)
        return FileOutcome(file, "processed", "", received.packets, new, len(bad))

    def _quarantine(self, file: RegisteredFile, reason: str) -> FileOutcome:
        steps.set_quarantined(self._connection, file, reason)
        logger.error("%s is quarantined: %s", file.url, reason)
        return FileOutcome(file, "quarantined", reason)


def decode_again(
    connection: psycopg.Connection[Any], store: PacketStore, databases: InstrumentDatabase | InstrumentDatabases
) -> int:
    """Decode packets that could not be decoded on arrival: a database that has arrived since may describe them.

    The days of these packets are marked as not reported, so that the run builds them.

    Parameters
    ----------
    connection : psycopg.Connection
        That of the session.
    store : PacketStore
    databases : InstrumentDatabases or InstrumentDatabase

    Returns
    -------
    int
        Number of packets that can now be used.
    """
    before = {packet.digest: packet.raw for _, packet in store.undecoded()}
    if not before:
        return 0
    names = sorted({Path(raw.file).name for raw in before.values()})
    # First, so that if the run dies in between, the next one processes them.
    steps.set_unreported(connection, names)
    again = receive_again(store, databases)
    after = {packet.digest for _, packet in store.undecoded()}
    used = [raw.data for digest, raw in before.items() if digest not in after]
    if used:
        steps.set_decoded(connection, names, used, touched_days(store, again.touched))
    return len(used)


class _Stopped(Exception):
    """A problem that affects every file."""


def _is_of_disk(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _DISK
    return isinstance(error, sqlite3.OperationalError) and any(
        text in str(error) for text in ("full", "disk I/O", "readonly", "unable to open")
    )


def _only_in(store: PacketStore, name: str) -> int:
    """Packets that no other file has; an interrupted attempt may have stored some of them already."""
    rows = store.index.rows(
        "SELECT count(DISTINCT digest) FROM origin WHERE file = ?"
        " AND NOT EXISTS (SELECT 1 FROM origin AS other WHERE other.digest = origin.digest AND other.file <> ?)",
        (name, name),
    )
    return int(rows[0][0])  # type: ignore[call-overload,no-any-return]


def _remove(path: Path) -> None:
    """Remove the copy; it does no harm if it stays."""
    with contextlib.suppress(OSError):
        path.unlink()
        # Unless the same content is kept under another name.
        path.parent.rmdir()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
