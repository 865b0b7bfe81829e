"""Applying a bulk file to `crossmatch_tns` and to the watchlist that mirrors it, in one transaction.

Every field is compared. New, changed, renamed, moved and deleted objects are found by set operations in the database,
so an unchanged file writes nothing, and a reader sees the table before or after, never in between.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
import pyarrow as pa
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from broker_assets import backoff
from broker_assets.database import copy
from broker_assets.database.engine import CONFLICTS
from broker_assets.database.tables.sky import crossmatch_tns, crossmatch_tns_history
from broker_assets.database.turns import in_turn
from broker_assets.provenance.periods import record_changes
from broker_assets.sky.lists import change, remove_cones
from broker_assets.sky.overview import PLATFORM_OWNER
from broker_assets.tns.bulk import BadRow, BulkFile

WATCHLIST = "__TNS__"
"""Name of the watchlist that mirrors the table."""
MATCH_RADIUS = 3.0
"""Radius of the cones of the watchlist, arcsec."""

Kind = Literal["full", "day", "hour"]

_FIELDS = (
    "objid", "ra", "decl", "tns_name", "tns_prefix", "disc_mag", "disc_mag_filter", "type", "z", "disc_int_name",
    "disc_date", "lastmodified_date", "sender", "reporters", "source_group", "htm16",
)  # fmt: skip
_LOCK = "broker_assets.tns.refresh"
_TOUCHED = "id = ANY(SELECT id FROM tns_pair) OR tns_name = ANY(SELECT tns_name FROM tns_new)"
"""Rows that an hourly or daily file can change."""
_CHANGED = sql.SQL(
    "(id = ANY(SELECT id FROM tns_pair) OR tns_name = ANY(SELECT tns_name FROM tns_new)"
    " OR tns_name = ANY(SELECT name FROM tns_gone))"
)
"""Rows, past ones included, that such a file can change or delete."""
_TRIES = 3
"""Attempts: a batch of the stream and a refresh may wait for each other; the database then aborts one of them."""


@dataclass(frozen=True)
class Refresh:
    """Changes made by a bulk file."""

    new: int
    """Objects that did not exist."""
    changed: int
    """Objects with a changed field, including moved and renamed ones."""
    moved: int
    """Objects with another position."""
    renamed: int
    """Objects with another name (found by their number at TNS)."""
    deleted: int
    """Objects that are no longer in a full file."""
    cones_changed: int
    """Cones of the watchlist that were added, removed or moved: these must be matched again."""
    rows: int
    """Rows of the table afterwards."""
    quarantined: int
    """Lines of the file that were not accepted."""
    version: str
    """Data version of the table: the checksum of all its fields."""

    @property
    def any(self) -> bool:
        """Whether the table has changed."""
        return bool(self.new or self.changed or self.deleted)


class SuspiciousBulkFile(ValueError):
    """A full file that would delete most of the table is not applied."""


def tns_watchlist(connection: psycopg.Connection[Any]) -> int:
    """Id of the watchlist that mirrors the table; it is created if it is missing."""
    found = connection.execute(
        "SELECT wl_id FROM watchlists WHERE owner = %s AND lower(name) = lower(%s)", (PLATFORM_OWNER, WATCHLIST)
    ).fetchone()
    if found is not None:
        return int(found[0])
    row = connection.execute(
        "INSERT INTO watchlists (owner, name, description, active, public, radius)"
        " VALUES (%s, %s, 'Objects of the Transient Name Server', true, true, %s)"
        " ON CONFLICT (owner, lower(name)) DO UPDATE SET name = EXCLUDED.name RETURNING wl_id",
        (PLATFORM_OWNER, WATCHLIST, MATCH_RADIUS),
    ).fetchone()
    if row is None:  # RETURNING after DO UPDATE always returns the row
        raise LookupError(f"watchlist {WATCHLIST} was not created")
    change(connection, "watchlist", int(row[0]))
    return int(row[0])


def apply_bulk_file(
    connection: psycopg.Connection[Any],
    file: BulkFile,
    *,
    name: str,
    kind: Kind,
    covers_until: datetime.datetime,
    lists_until: datetime.datetime | None = None,
    largest_loss: float = 0.2,
) -> Refresh:
    """Update the table from the file.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside a transaction; one is opened and committed.
    file : BulkFile
        See `parse_bulk_csv`.
    name : str
        File name at TNS, for the record of what was applied.
    kind : {"full", "day", "hour"}
        Only a full file deletes objects it does not contain; objects that TNS changed after `lists_until` stay, and so
        do those named in a line that was rejected.
    covers_until : datetime
        End of the time covered by the file, UTC.
    lists_until : datetime, optional
        Time up to which a full file lists every object, UTC; `covers_until` unless given.
    largest_loss : float
        A full file that would delete a larger fraction is rejected: an old table is better than an empty one.

    Returns
    -------
    Refresh

    Raises
    ------
    SuspiciousBulkFile
        If a full file would delete more than `largest_loss` of the table.

    Notes
    -----
    Files may arrive in any order: a row that TNS changed before the stored one is skipped.
    """
    in_the_way = retry_if_exception_type(CONFLICTS)
    attempts = Retrying(retry=in_the_way, stop=stop_after_attempt(_TRIES), wait=backoff.CONFLICT, reraise=True)
    return attempts(_apply_once, connection, file, name, kind, covers_until, lists_until or covers_until, largest_loss)


def _apply_once(
    connection: psycopg.Connection[Any],
    file: BulkFile,
    name: str,
    kind: Kind,
    covers_until: datetime.datetime,
    lists_until: datetime.datetime,
    largest_loss: float,
) -> Refresh:
    with connection.transaction():
        in_turn(connection, _LOCK)
        unchanged = skip_unchanged(connection, file.sha256, name=name, kind=kind, covers_until=covers_until)
        if unchanged is not None:
            return unchanged
        _quarantine(connection, name, file.bad)
        _stage(connection, file.objects)
        _pair(connection)
        _keep_unread(connection, file)
        if kind == "full":
            _refuse_large_loss(connection, largest_loss, lists_until)
        known = None if kind == "full" else _last_checksum(connection)
        before = None if known is None else stored_checksum(connection, only=_TOUCHED)
        counts = _apply(connection, name, file.sha256, deletes=lists_until if kind == "full" else None)
        cones = _mirror(connection, every=kind == "full")
        record_changes(
            connection,
            crossmatch_tns,
            crossmatch_tns_history,
            key=["id"],
            only=None if kind == "full" else _CHANGED,
        )
        if known is None or before is None:
            rows, version = stored_checksum(connection)
        else:  # the sum over the rows that the file does not touch is known
            after = stored_checksum(connection, only=_TOUCHED)
            rows, version = known[0] + after[0] - before[0], str(int(known[1]) + int(after[1]) - int(before[1]))
        refresh = Refresh(*counts, cones, rows, len(file.bad), version)
        _record(connection, file, name, kind, covers_until, refresh)
        return refresh


def _last_checksum(connection: psycopg.Connection[Any]) -> tuple[int, str] | None:
    """Rows and checksum of the table after the last file."""
    return connection.execute(
        "SELECT table_rows, table_checksum FROM tns_file WHERE table_checksum IS NOT NULL"
        " ORDER BY applied_at DESC LIMIT 1"
    ).fetchone()


def skip_unchanged(
    connection: psycopg.Connection[Any], sha256: str, *, name: str, kind: Kind, covers_until: datetime.datetime
) -> Refresh | None:
    """If the table already agrees with a file, record that it was applied; else return None. See `apply_bulk_file`.

    Parameters
    ----------
    sha256 : str
        See `broker_assets.tns.bulk.fingerprint`; it does not require parsing the file.
    """
    row = connection.execute(
        "UPDATE tns_file AS this SET applied_at = clock_timestamp(), covers_until = greatest(covers_until, %(until)s)"
        " WHERE name = %(name)s AND kind = %(kind)s AND sha256 = %(sha256)s AND table_checksum IS NOT NULL"
        # a full file that covers more time may delete objects that it kept the last time
        " AND (kind <> 'full' OR covers_until >= %(until)s OR checksum = table_checksum)"
        # another file applied since may have changed objects of this one
        " AND NOT EXISTS (SELECT FROM tns_file AS later WHERE later.name <> this.name"
        " AND later.applied_at > this.applied_at AND later.table_checksum <> this.table_checksum)"
        " RETURNING table_rows, table_checksum, (SELECT count(*) FROM quarantined_line WHERE source = %(source)s)",
        {"name": name, "kind": kind, "sha256": sha256, "until": covers_until, "source": f"tns/{name}"},
    ).fetchone()
    return None if row is None else Refresh(0, 0, 0, 0, 0, 0, int(row[0]), int(row[2]), str(row[1]))


def stored_checksum(
    connection: psycopg.Connection[Any], table: str = "crossmatch_tns", *, only: str = "true"
) -> tuple[int, str]:
    """Number of objects in the table, and a checksum of all their fields: the sum of the hashes of its rows.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    table : str
        Table with the columns of `crossmatch_tns`.
    only : str
        Condition for the rows, trusted SQL.
    """
    row = connection.execute(
        sql.SQL("SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text, 0)), 0)::text FROM {} WHERE {}").format(
            sql.SQL(", ").join(
                # not the text, which would depend on the time zone of the session
                sql.SQL("extract(epoch FROM {})").format(sql.Identifier(name))
                if name in {"disc_date", "lastmodified_date"}
                else sql.Identifier(name)
                for name in _FIELDS
            ),
            sql.Identifier(table),
            sql.SQL(only),  # type: ignore[arg-type]
        )
    ).fetchone()
    return (int(row[0]), str(row[1])) if row else (0, "0")


def _stage(connection: psycopg.Connection[Any], objects: pa.Table) -> None:
    # they survive a savepoint, if the caller is in a transaction
    connection.execute(
        "DROP TABLE IF EXISTS pg_temp.tns_new, pg_temp.tns_pair, pg_temp.tns_change, pg_temp.tns_gone, pg_temp.tns_cone"
    )
    connection.execute(
        sql.SQL("CREATE TEMP TABLE tns_new ON COMMIT DROP AS SELECT {} FROM crossmatch_tns WITH NO DATA").format(
            sql.SQL(", ").join(map(sql.Identifier, _FIELDS))
        )
    )
    with connection.cursor() as cursor:
        copy.load(cursor, crossmatch_tns, objects.select(_FIELDS), into="tns_new")
    connection.execute("ANALYZE tns_new")


def _pair(connection: psycopg.Connection[Any]) -> None:
    """Find the stored row of each row of the file: by number first, since names change; else by name."""
    connection.execute(
        "CREATE TEMP TABLE tns_pair ON COMMIT DROP AS"
        " SELECT new.tns_name AS new_name, coalesce(by_number.id, by_name.id) AS id FROM tns_new AS new"
        " LEFT JOIN crossmatch_tns AS by_number ON by_number.objid = new.objid"
        " LEFT JOIN crossmatch_tns AS by_name ON by_name.tns_name = new.tns_name AND by_number.id IS NULL"
        " AND (by_name.objid IS NULL OR new.objid IS NULL OR by_name.objid = new.objid)"
    )
    # The number of an object never changes: a file without the number, or without the column, does not remove it.
    connection.execute(
        "UPDATE tns_new AS new SET objid = old.objid FROM tns_pair AS pair"
        " JOIN crossmatch_tns AS old ON old.id = pair.id"
        " WHERE new.objid IS NULL AND pair.new_name = new.tns_name AND old.objid IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM tns_new AS other WHERE other.objid = old.objid)"
    )
    connection.execute("CREATE INDEX ON tns_pair (id)")
    connection.execute("ANALYZE tns_pair")


def _keep_unread(connection: psycopg.Connection[Any], file: BulkFile) -> None:
    """Note the stored objects that a rejected line names: they are not missing from the file."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.tns_unread")
    connection.execute(
        "CREATE TEMP TABLE tns_unread ON COMMIT DROP AS SELECT id FROM crossmatch_tns WHERE tns_name = ANY(%s)",
        (sorted(file.unread_names),),
    )


def _refuse_large_loss(
    connection: psycopg.Connection[Any], largest_loss: float, lists_until: datetime.datetime
) -> None:
    row = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM tns_pair WHERE tns_pair.id = old.id)"
        " AND NOT EXISTS (SELECT FROM tns_unread WHERE tns_unread.id = old.id)"
        " AND (old.lastmodified_date > %s) IS NOT TRUE) FROM crossmatch_tns AS old",
        (lists_until,),
    ).fetchone()
    before, gone = (int(row[0]), int(row[1])) if row else (0, 0)
    if gone > largest_loss * before:
        raise SuspiciousBulkFile(
            f"the full file would delete {gone} of {before} objects, more than {largest_loss:.0%}; nothing was changed."
            " If it is right, apply it with a larger `largest_loss`"
        )


def _apply(
    connection: psycopg.Connection[Any], name: str, sha256: str, *, deletes: datetime.datetime | None
) -> tuple[int, int, int, int, int]:
    """Write the differences; return how many objects are new, changed, moved, renamed and deleted.

    `deletes` is the time up to which the file lists every object. Rows record the file that provided them.
    """
    fields = sql.SQL(", ").join(map(sql.Identifier, _FIELDS))
    new_fields = sql.SQL(", ").join(sql.SQL("new.{}").format(sql.Identifier(name)) for name in _FIELDS)
    old_fields = sql.SQL(", ").join(sql.SQL("old.{}").format(sql.Identifier(name)) for name in _FIELDS)
    # A name that now belongs to another object must be free before that object takes it.
    stale = connection.execute(
        "DELETE FROM crossmatch_tns AS old USING tns_new AS new, tns_pair AS pair WHERE old.tns_name = new.tns_name"
        " AND pair.new_name = new.tns_name AND (pair.id IS NULL OR pair.id <> old.id)"
        " AND NOT EXISTS (SELECT FROM tns_pair AS other WHERE other.id = old.id) RETURNING old.tns_name"
    ).fetchall()
    gone = [row[0] for row in stale]
    if deletes is not None:
        gone += [
            row[0]
            for row in connection.execute(
                "DELETE FROM crossmatch_tns AS old WHERE NOT EXISTS (SELECT FROM tns_pair WHERE tns_pair.id = old.id)"
                " AND NOT EXISTS (SELECT FROM tns_unread WHERE tns_unread.id = old.id)"
                " AND (old.lastmodified_date > %s) IS NOT TRUE RETURNING tns_name",
                (deletes,),
            )
        ]
    deleted = len(gone)
    connection.execute("CREATE TEMP TABLE tns_gone ON COMMIT DROP AS SELECT unnest(%s::text[]) AS name", (gone,))
    connection.execute(
        sql.SQL(
            "CREATE TEMP TABLE tns_change ON COMMIT DROP AS SELECT old.id, old.tns_name AS old_name,"
            " (old.ra, old.decl) IS DISTINCT FROM (new.ra, new.decl) AS moved,"
            " old.tns_name IS DISTINCT FROM new.tns_name AS renamed, {}"
            " FROM tns_pair AS pair JOIN tns_new AS new ON new.tns_name = pair.new_name"
            " JOIN crossmatch_tns AS old ON old.id = pair.id WHERE ({}) IS DISTINCT FROM ({})"
            " AND coalesce(new.lastmodified_date, '-infinity') >= coalesce(old.lastmodified_date, '-infinity')"
        ).format(new_fields, old_fields, new_fields)
    )
    # Two objects may have swapped names: use placeholder names to satisfy the unique constraint.
    connection.execute(
        "UPDATE crossmatch_tns AS old SET tns_name = 'renaming ' || old.id FROM tns_change WHERE tns_change.id = old.id"
        " AND tns_change.renamed"
    )
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = tns_change.{}").format(sql.Identifier(name), sql.Identifier(name)) for name in _FIELDS
    )
    changed = connection.execute(
        sql.SQL(
            "UPDATE crossmatch_tns AS old SET {}, lasairmodified_date = now(), tns_file = %s, tns_file_sha256 = %s"
            " FROM tns_change WHERE tns_change.id = old.id"
        ).format(assignments),
        (name, sha256),
    ).rowcount
    new = connection.execute(
        sql.SQL(
            "INSERT INTO crossmatch_tns ({}, tns_file, tns_file_sha256) SELECT {}, %s, %s FROM tns_new AS new"
            " JOIN tns_pair AS pair ON pair.new_name = new.tns_name WHERE pair.id IS NULL"
        ).format(fields, new_fields),
        (name, sha256),
    ).rowcount
    counts = connection.execute(
        "SELECT count(*) FILTER (WHERE moved), count(*) FILTER (WHERE renamed) FROM tns_change"
    ).fetchone()
    moved, renamed = (int(counts[0]), int(counts[1])) if counts else (0, 0)
    return new, changed, moved, renamed, deleted


def _mirror(connection: psycopg.Connection[Any], *, every: bool) -> int:
    """Synchronise the cones of the mirroring watchlist with the table; return how many were added, removed or moved.

    Compares either every cone, or only those whose names the file touched.
    """
    watchlist = tns_watchlist(connection)
    connection.execute("SELECT FROM watchlists WHERE wl_id = %s FOR UPDATE", (watchlist,))

    def touched(name: str) -> str:
        names = "SELECT tns_name FROM tns_new UNION SELECT old_name FROM tns_change UNION SELECT name FROM tns_gone"
        return "" if every else f"AND {name} IN ({names})"

    gone = [
        row[0]
        for row in connection.execute(
            # the touched cones first, or else the planner would compare all cones with the table
            "WITH cone AS MATERIALIZED (SELECT cone_id, name, ra, decl FROM watchlist_cones"  # noqa: S608
            f" WHERE wl_id = %s {touched('name')})"
            " SELECT cone_id FROM cone WHERE NOT EXISTS (SELECT FROM crossmatch_tns AS tns"
            " WHERE tns.tns_name = cone.name AND tns.ra = cone.ra AND tns.decl = cone.decl)",
            (watchlist,),
        )
    ]
    if gone:
        remove_cones(connection, watchlist, gone, change(connection, "watchlist", watchlist))
    connection.execute(
        "CREATE TEMP TABLE tns_cone ON COMMIT DROP AS SELECT tns.tns_name, tns.ra, tns.decl, tns.htm16"  # noqa: S608
        " FROM crossmatch_tns AS tns LEFT JOIN watchlist_cones AS cone ON cone.wl_id = %s AND cone.name = tns.tns_name"
        f" WHERE cone.cone_id IS NULL {touched('tns.tns_name')}",
        (watchlist,),
    )
    row = connection.execute("SELECT count(*) FROM tns_cone").fetchone()
    come = int(row[0]) if row else 0
    if come:
        connection.execute(
            "INSERT INTO watchlist_cones (wl_id, name, ra, decl, revision_from)"
            " SELECT %s, tns_name, ra, decl, %s FROM tns_cone ORDER BY htm16",
            (watchlist, change(connection, "watchlist", watchlist)),
        )
    return len(gone) + come


def _quarantine(connection: psycopg.Connection[Any], name: str, bad: Sequence[BadRow]) -> None:
    connection.execute("DELETE FROM quarantined_line WHERE source = %s", (f"tns/{name}",))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO quarantined_line (source, line, content, reason) VALUES (%s, %s, %s, %s)",
            [(f"tns/{name}", row.line, row.text.replace("\x00", "�"), row.reason) for row in bad],
        )


def _record(
    connection: psycopg.Connection[Any],
    file: BulkFile,
    name: str,
    kind: Kind,
    covers_until: datetime.datetime,
    refresh: Refresh,
) -> None:
    checksum = stored_checksum(connection, "tns_new")[1] if kind == "full" else None
    connection.execute(
        "INSERT INTO tns_file (name, kind, sha256, rows, checksum, table_rows, table_checksum, covers_until,"
        " applied_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT (name) DO UPDATE SET"
        " kind = EXCLUDED.kind, sha256 = EXCLUDED.sha256, rows = EXCLUDED.rows, checksum = EXCLUDED.checksum,"
        " table_rows = EXCLUDED.table_rows, table_checksum = EXCLUDED.table_checksum,"
        " covers_until = EXCLUDED.covers_until, applied_at = EXCLUDED.applied_at",
        (
            name, kind, file.sha256, len(file.objects), checksum, refresh.rows, refresh.version, covers_until,
        ),
    )  # fmt: skip
