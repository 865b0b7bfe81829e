"""Loads simulations into the tables of the survey: each pair of files in a transaction of its own.

A loaded file is recognised by its content and skipped, so a load that was stopped, or met damaged files, is simply run
again. Rows that already exist, from any file, are left as they are and counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database.engine import connect
from broker_assets.database.staging import staged
from broker_assets.database.tables import tom
from broker_assets.tom.survey.fits_tables import DamagedFile
from broker_assets.tom.survey.snana import Reading, dump_file, head_files, photometry_file, read_pair, read_truth

Connection = psycopg.Connection[Any]
TargetName = Literal["ppdb", "training"]


class Target(NamedTuple):
    """Tables into which a simulation is loaded."""

    objects: sa.Table
    sources: sa.Table
    forced: sa.Table
    alerts: sa.Table
    truth: sa.Table


TARGETS: Final[dict[str, Target]] = {
    "ppdb": Target(
        tom.ppdbdiaobject, tom.ppdbdiasource, tom.ppdbdiaforcedsource, tom.ppdbalert, tom.diaobjecttruth
    ),
    "training": Target(
        tom.trainingdiaobject, tom.trainingdiasource, tom.trainingdiaforcedsource, tom.trainingalert,
        tom.trainingdiaobjecttruth,
    ),
}  # fmt: skip
"""The survey itself, and the training set."""
_SAME: Final[dict[str, tuple[str, ...]]] = {
    "objects": ("diaobject_id", "ra", "decl"),
    "forced": ("diaforcedsource_id", "midpointtai", "filtername"),
}
"""Number of a row, and the columns that rows with the same number must share."""


@dataclass(frozen=True)
class FileLoaded:
    """Result for a file."""

    path: Path
    outcome: Literal["loaded", "known", "read", "failed"]
    """`known`: the same content was loaded before; `read`: a dry run."""
    rows: dict[str, int] = field(default_factory=dict)
    """New rows by table; in a dry run, rows of the file."""
    present: int = 0
    """Rows that existed already."""
    failure: str | None = None
    """Why it failed."""


@dataclass
class LoadReport:
    """Results of a load."""

    files: list[FileLoaded] = field(default_factory=list)

    @property
    def failed(self) -> list[FileLoaded]:
        """Files that could not be loaded."""
        return [one for one in self.files if one.outcome == "failed"]

    def rows(self, name: str) -> int:
        """New rows of a table: objects, sources, forced, alerts or truth."""
        return sum(one.rows.get(name, 0) for one in self.files)

    def count(self, outcome: str) -> int:
        """Files with an outcome."""
        return sum(one.outcome == outcome for one in self.files)


def load_simulations(
    database_url: str,
    folders: Sequence[Path],
    target: TargetName,
    *,
    files: Sequence[str] = (),
    reading: Reading = Reading(),
    at_once: int = 5,
    write: bool = True,
    done: Callable[[FileLoaded], None] = lambda _: None,
) -> LoadReport:
    """Load the simulations of some folders.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database.
    folders : sequence of Path
        One for each simulation, see `snana`.
    target : {'ppdb', 'training'}
        The survey, or the training set.
    files : sequence of str
        Names of header files in each folder; default: all.
    reading : Reading
        How they are read.
    at_once : int
        Files that are read and written at the same time.
    write : bool
        Whether rows are written; otherwise the files are read and counted.
    done : callable
        Called after each file, in the order of the files.

    Returns
    -------
    LoadReport
        Results for each pair of files, by its header file, and each file with truth. A failed file has changed nothing;
        its failure is also in the table `simulation_files`.

    Raises
    ------
    DatabaseUnavailableError, psycopg.OperationalError
        If the database fails; files that were loaded stay.
    """
    report = LoadReport()
    pairs: list[tuple[Path, Callable[[Path], FileLoaded]]] = []
    truths: list[tuple[Path, Callable[[Path], FileLoaded]]] = []

    def note(loaded: FileLoaded) -> None:
        report.files.append(loaded)
        done(loaded)

    loader = _Loader(database_url, target, reading, write, partial=bool(files))
    for folder in folders:
        try:
            heads = head_files(folder, list(files) or None)
        except (DamagedFile, FileNotFoundError) as error:
            note(loader.failed(folder, error))
            continue
        pairs += [(head, loader.pair) for head in heads]
        try:
            truths.append((dump_file(folder), loader.truth))
        except DamagedFile as error:
            note(loader.failed(folder, error))
    # The truth after the objects, to which its rows refer.
    for together in (pairs, truths):
        with ThreadPoolExecutor(max_workers=max(1, at_once)) as pool:
            for loaded in pool.map(lambda step: step[1](step[0]), together):
                note(loaded)
    return report


def simulation_files(folders: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Path, size in bytes and modification time in nanoseconds of each file in some folders; missing folders are
    skipped."""
    return [
        (str(path), status.st_size, status.st_mtime_ns)
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        for status in [path.stat()]
        if path.is_file()
    ]


class _Loader:
    def __init__(self, url: str, target: TargetName, reading: Reading, write: bool, *, partial: bool) -> None:
        self._url = url
        self._name = target
        self._target = TARGETS[target]
        self._reading = reading
        self._write = write
        self._partial = partial
        # Before the first of the files that are loaded at once: after it a table that was emptied is so no longer.
        self._empty = self._empty_tables() if write else frozenset[str]()

    def _empty_tables(self) -> frozenset[str]:
        tables = (self._target.objects.name, self._target.truth.name)
        query = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {} WHERE NOT EXISTS (SELECT FROM {})").format(sql.Literal(table), sql.Identifier(table))
            for table in tables
        )
        with connect(self._url, application="broker-assets survey") as connection:
            return frozenset(name for (name,) in connection.execute(query))

    def pair(self, head: Path) -> FileLoaded:
        """Load a pair of files."""

        def rows() -> list[tuple[str, sa.Table, pa.Table]]:
            read = read_pair(head, self._reading)
            tables = self._target
            return [
                ("objects", tables.objects, read.objects),
                ("sources", tables.sources, read.sources),
                ("forced", tables.forced, read.forced),
                ("alerts", tables.alerts, read.alerts),
            ]

        return self._load(head, self._target.objects, lambda: [head, photometry_file(head)], rows)

    def truth(self, path: Path) -> FileLoaded:
        """Load a file with truth; rows whose object was not loaded are left out, since they refer to it."""
        table = self._target.truth
        return self._load(path, table, lambda: [path], lambda: [("truth", table, read_truth(path))])

    def failed(self, path: Path, error: Exception) -> FileLoaded:
        """Record a failure."""
        reason = f"{path}: {error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
        if str(path.parent) not in reason:  # most reasons name the file of the pair that is wrong
            reason = f"{path}: {reason}"
        if self._write:
            with connect(self._url, application="broker-assets survey") as connection, connection.transaction():
                self._record(connection, path, "", {}, reason)
        return FileLoaded(path, "failed", failure=reason)

    def _load(
        self,
        path: Path,
        table: sa.Table,
        parts: Callable[[], list[Path]],
        rows: Callable[[], list[tuple[str, sa.Table, pa.Table]]],
    ) -> FileLoaded:
        """Load a file, unless its content is known and the table was not empty."""
        try:
            content = _hash([*parts()], repr(self._reading))
            if not self._write:
                return FileLoaded(path, "read", {name: values.num_rows for name, _, values in rows()})
            with connect(self._url, application="broker-assets survey") as connection:
                if self._known(connection, content, table):
                    return FileLoaded(path, "known")
                connection.commit()
                read = rows()
                with connection.transaction():
                    new: dict[str, int] = {}
                    absent = 0
                    for name, into, values in read:
                        new[name], missing = self._insert(connection, name, into, values)
                        absent += missing
                    failure = None
                    if absent and not self._partial:
                        failure = f"{path}: {absent} of {read[0][2].num_rows} objects of the truth were not loaded"
                    # A truth file that was only partly loaded is read again.
                    self._record(connection, path, "" if absent else content, new, failure)
            present = sum(values.num_rows for _, _, values in read) - sum(new.values()) - absent
            return FileLoaded(path, "loaded" if failure is None else "failed", new, present, failure)
        except (DamagedFile, OSError, ValueError, psycopg.IntegrityError, psycopg.DataError) as error:
            if isinstance(error, ConnectionError):
                raise
            return self.failed(path, error)

    def _insert(self, connection: Connection, name: str, table: sa.Table, rows: pa.Table) -> tuple[int, int]:
        """Insert rows that do not exist; return how many were new, and how many have no object."""
        if rows.num_rows == 0:
            return 0, 0
        columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
        with connection.cursor() as cursor:
            names = {
                "table": sql.Identifier(table.name),
                "stage": sql.Identifier(staged(cursor, table, rows)),
                "columns": columns,
                "objects": sql.Identifier(self._target.objects.name),
            }
            absent = 0
            if name == "truth":
                cursor.execute(
                    sql.SQL(
                        "DELETE FROM {stage} AS staged WHERE NOT EXISTS"
                        " (SELECT FROM {objects} AS known WHERE known.diaobject_id = staged.diaobject_id)"
                    ).format(**names)
                )
                absent = cursor.rowcount
            if name in _SAME:
                self._refuse_others(cursor, name, names)
            cursor.execute(
                sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM {stage} ON CONFLICT DO NOTHING").format(
                    **names
                )
            )
            new = int(cursor.rowcount)
            if name == "sources" and new and self._name == "ppdb":
                # Brokers may have reported them already: the import took what it did not know off its list.
                cursor.execute(
                    sql.SQL(
                        "INSERT INTO elasticc2_brokersourceids SELECT diasource_id FROM {stage} AS staged WHERE EXISTS"
                        " (SELECT FROM elasticc2_brokermessage AS message WHERE message.diasource_id ="
                        " staged.diasource_id) ORDER BY 1 ON CONFLICT DO NOTHING"
                    ).format(**names)
                )
            return new, int(absent)

    def _refuse_others(self, cursor: psycopg.Cursor[Any], name: str, names: dict[str, sql.Composable]) -> None:
        """Refuse rows of which the table has another under the same number: two simulations that number their objects
        alike would otherwise become one, with points of both in a light curve."""
        key, *same = (sql.Identifier(one) for one in _SAME[name])
        found = cursor.execute(
            sql.SQL(
                "SELECT staged.diaobject_id FROM {stage} AS staged JOIN {table} AS known"
                " ON known.diaobject_id = staged.diaobject_id AND known.{key} = staged.{key}"
                " WHERE ({known}) IS DISTINCT FROM ({staged}) LIMIT 1"
            ).format(
                **names,
                key=key,
                known=sql.SQL(", ").join(sql.SQL("known.{}").format(one) for one in same),
                staged=sql.SQL(", ").join(sql.SQL("staged.{}").format(one) for one in same),
            )
        ).fetchone()
        if found is not None:
            what = "position" if name == "objects" else "point"
            raise DamagedFile(
                f"object {found[0]} is stored with another {what}: this is another simulation with the same numbers, or"
                " another version of it; load it into another database, or remove the stored one first"
            )

    def _known(self, connection: Connection, content: str, table: sa.Table) -> bool:
        if table.name in self._empty:  # somebody has emptied it
            return False
        found = connection.execute(
            "SELECT FROM simulation_files WHERE target = %s AND sha256 = %s AND failure IS NULL", (self._name, content)
        ).fetchone()
        return found is not None

    def _record(
        self, connection: Connection, path: Path, content: str, new: dict[str, int], failure: str | None
    ) -> None:
        connection.execute(
            "INSERT INTO simulation_files (target, path, sha256, objects, sources, forced, truth, failure)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (target, path) DO UPDATE SET"
            " sha256 = excluded.sha256, objects = excluded.objects, sources = excluded.sources,"
            " forced = excluded.forced, truth = excluded.truth, failure = excluded.failure, loaded_at = now()",
            (
                self._name,
                str(path),
                content,
                *(new.get(name, 0) for name in ("objects", "sources", "forced", "truth")),
                failure,
            ),
        )


def _hash(paths: Sequence[Path], settings: str) -> str:
    """Hash of the content of some files, and of how they are read."""
    found = hashlib.sha256(settings.encode())
    for path in paths:
        with path.open("rb") as stream:
            found.update(hashlib.file_digest(stream, "sha256").digest())
    return found.hexdigest()
