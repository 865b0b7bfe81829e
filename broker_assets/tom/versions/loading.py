"""Loads a further reduction: its photometry next to that of the alerts, its objects with their roots and positions.

Existing rows stay as they are: loading the same files again, or a part of them after a failure, adds only what is
missing. A row that is stored with other values is refused, since a reduction does not change. Each call is one
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from broker_assets.database import copy, partitions
from broker_assets.database.arrow import arrow_type
from broker_assets.database.border import TIME
from broker_assets.database.tables import SURVEYS, diaforcedsources, diasources
from broker_assets.database.tables.tom import reduced_positions
from broker_assets.tom.versions.definitions import HOSTS, OBJECTS, POSITIONS, VersionError, find_base
from broker_assets.tom.versions.hosts import add_hosts, checked_hosts
from broker_assets.tom.versions.roots import place_given

Connection = psycopg.Connection[Any]

_NEEDED: Final = {
    "objects": ("diaobjectid", "ra", "dec"),
    "sources": ("diasourceid", "diaobjectid", "midpointmjdtai", "band", "psfflux", "psffluxerr"),
    "forced": ("diaforcedsourceid", "diaobjectid", "midpointmjdtai", "band", "psfflux", "psffluxerr"),
}
_POINTS: Final = {"sources": diasources, "forced": diaforcedsources}
_KEYS: Final = {"sources": "diasourceid", "forced": "diaforcedsourceid"}
_VALUES: Final = (TIME, "band", "psfflux", "psffluxerr")
"""Columns of points in which rows with one number must agree."""
_BANDS: Final = ("u", "g", "r", "i", "z", "y", "Y")
_EARLIEST_JD: Final = 2_400_000.0
"""As an MJD, the year 8430: such times are Julian dates."""
_OURS: Final = frozenset({"survey", "reduction", "night", "ingestid", "broughtby", "broughtbymjdtai"})
_OURS_OF_ARCHIVE: Final = frozenset({"archivefileid", "archiveposition", "archivelength"})


@dataclass(frozen=True)
class Loaded:
    """Numbers of new rows."""

    objects: int = 0
    roots: int = 0
    """Root objects that were created for them."""
    sources: int = 0
    forced: int = 0
    hosts: int = 0
    """Galaxies."""
    matches: int = 0
    """Pairs of an object and its possible host."""


def load_reduction(
    connection: Connection,
    base: str,
    *,
    objects: pa.Table | None = None,
    sources: pa.Table | None = None,
    forced: pa.Table | None = None,
    hosts: pa.Table | None = None,
    survey: str = "rubin",
) -> Loaded:
    """Store the rows of a reduction.

    Parameters
    ----------
    connection : psycopg.Connection
        With autocommit, outside a transaction.
    base : str
        Name of the base version, see `definitions.add_base`; not that of the alerts.
    objects : pyarrow.Table, optional
        `diaobjectid`, `ra`, `dec` (deg, ICRS), and further columns of `reduced_positions`. Objects that also occur in
        alerts need no row.
    sources, forced : pyarrow.Table, optional
        Columns of `diasources` and `diaforcedsources` (documented names in any case, `dec` or `decl`): nJy, MJD TAI.
    hosts : pyarrow.Table, optional
        See `hosts.add_hosts`.
    survey : str
        Survey of the objects.

    Raises
    ------
    VersionError
        If a column is missing or unknown, a required value is missing or cannot be (a declination of 95°, a Julian
        date, a band that no survey has), a point is given or stored with other values, or the base version is that of
        the alerts.
    UnknownVersionError
        If there is no such base version.
    """
    owner = find_base(connection, base, OBJECTS)[0]
    place = find_base(connection, base, POSITIONS)[0]
    row = connection.execute("SELECT reduction FROM base_processing_version WHERE id = %s", (owner,)).fetchone()
    reduction = int(row[0]) if row is not None else 0
    if reduction == 0:
        raise VersionError(f"{base} is what alerts say: the stream stores that")
    given = {
        kind: _checked(kind, table)
        for kind, table in (("objects", objects), ("sources", sources), ("forced", forced))
        if table is not None and table.num_rows
    }
    galaxies = None if hosts is None or not hosts.num_rows else checked_hosts(hosts)
    done = {"objects": 0, "roots": 0, "sources": 0, "forced": 0, "hosts": 0, "matches": 0}
    for kind in _POINTS.keys() & given.keys():
        partitions.ensure(connection, given[kind]["midpointmjdtai"].to_numpy(), tables=(_POINTS[kind],))
    with connection.transaction():
        if "objects" in given:
            done["objects"], done["roots"] = _add_objects(connection, given["objects"], owner, place, SURVEYS[survey])
        for kind in sorted(_POINTS.keys() & given.keys()):
            done[kind] = _add_points(connection, kind, given[kind], reduction, SURVEYS[survey])
        if galaxies is not None:
            done["hosts"], done["matches"] = add_hosts(connection, galaxies, find_base(connection, base, HOSTS)[0])
    return Loaded(**done)


def _checked(kind: str, table: pa.Table) -> pa.Table:
    names = [name.lower() for name in table.column_names]
    if kind in _POINTS:
        names = ["decl" if name == "dec" else name for name in names]
        known = {column.name for column in _POINTS[kind].c} - _OURS - _OURS_OF_ARCHIVE
    else:
        known = {column.name for column in reduced_positions.c} - {"base_procver_id", "created_at"}
    twice = sorted(name for name in set(names) if names.count(name) > 1)
    if twice:
        raise VersionError(f"{kind}: there are two columns {twice[0]}")
    missing = sorted(set(_NEEDED[kind]) - set(names))
    unknown = sorted(set(names) - known)
    if missing or unknown:
        raise VersionError(f"{kind}: " + (f"column {missing[0]} is missing" if missing else f"unknown {unknown[0]}"))
    renamed = table.rename_columns(names)
    columns = _POINTS.get(kind, reduced_positions).c
    try:
        renamed = renamed.cast(pa.schema([(name, arrow_type(columns[name].type)) for name in names]))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise VersionError(f"{kind}: {error}") from None
    for name in _NEEDED[kind]:
        column = renamed[name]
        is_number = name in ("ra", "dec", TIME)
        if column.null_count or (is_number and not np.isfinite(column.to_numpy()).all()):
            raise VersionError(f"{kind}: {name} has values that are missing or not finite")
    _refuse_impossible(kind, renamed)
    return renamed


def _refuse_impossible(kind: str, table: pa.Table) -> None:
    """Refuse positions, times and bands that cannot be: they would be stored where no search finds them."""
    if kind == "objects":
        ra, dec = (table[name].to_numpy() for name in ("ra", "dec"))
        wrong = (np.abs(dec) > 90.0) | (ra < -180.0) | (ra > 360.0)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            number = table["diaobjectid"][row].as_py()
            raise VersionError(
                f"{kind}: object {number} is at {ra[row]}, {dec[row]}: that is not a position in degrees"
            )
        return
    late = table[TIME].to_numpy() >= _EARLIEST_JD
    if late.any():
        raise VersionError(f"{kind}: {TIME} {table[TIME].to_numpy()[late][0]} is a Julian date; times are MJD, TAI")
    strange = set(pc.unique(table["band"]).to_pylist()) - set(_BANDS)
    if strange:
        raise VersionError(f"{kind}: bands are u, g, r, i, z and y, not {sorted(strange)[0]!r}")


def _add_objects(connection: Connection, table: pa.Table, owner: Any, place: Any, survey: int) -> tuple[int, int]:
    connection.execute("DROP TABLE IF EXISTS pg_temp.given_objects")
    connection.execute(
        "CREATE TEMPORARY TABLE given_objects ON COMMIT DROP AS SELECT * FROM reduced_positions WITH NO DATA"
    )
    with connection.cursor() as cursor:
        copy.load(cursor, reduced_positions, table, into="given_objects")
    placed = place_given(
        connection,
        owner,
        sql.SQL("SELECT DISTINCT ON (diaobjectid) diaobjectid, {}, ra, dec FROM given_objects ORDER BY 1").format(
            sql.Literal(survey)
        ),
    )
    names = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    connection.execute(
        sql.SQL(
            "INSERT INTO reduced_positions (base_procver_id, {names}) SELECT {place}, {names} FROM given_objects"
            " ORDER BY diaobjectid ON CONFLICT DO NOTHING"
        ).format(names=names, place=sql.Literal(place))
    )
    return placed.objects, placed.roots


def _add_points(connection: Connection, kind: str, table: pa.Table, reduction: int, survey: int) -> int:
    target, key = _POINTS[kind], _KEYS[kind]
    connection.execute("DROP TABLE IF EXISTS pg_temp.given_points")
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE given_points ON COMMIT DROP AS SELECT * FROM {} WITH NO DATA").format(
            sql.Identifier(target.name)
        )
    )
    with connection.cursor() as cursor:
        copy.load(cursor, target, table, into="given_points")
    names = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    # Of two concurrent loads of one reduction, the second waits, and then finds the rows of the first.
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('reduction'), %s)", (reduction,))
    connection.execute("UPDATE given_points SET band = 'y' WHERE band = 'Y'")
    _refuse_others(connection, kind, reduction)
    return connection.execute(
        sql.SQL(
            "INSERT INTO {table} ({names}, reduction, survey) SELECT {names}, {reduction}, {survey}"
            " FROM (SELECT DISTINCT ON (diaobjectid, {key}) * FROM given_points ORDER BY diaobjectid, {key}) AS given"
            " WHERE NOT EXISTS (SELECT FROM {table} AS known WHERE known.diaobjectid = given.diaobjectid"
            " AND known.{key} = given.{key} AND known.reduction = {reduction}) ORDER BY diaobjectid, midpointmjdtai"
        ).format(
            table=sql.Identifier(target.name),
            names=names,
            key=sql.Identifier(key),
            reduction=sql.Literal(reduction),
            survey=sql.Literal(survey),
        )
    ).rowcount


def _refuse_others(connection: Connection, kind: str, reduction: int) -> None:
    """Refuse points that are given twice, or stored, with other values: one of them would be dropped silently."""
    names = {
        "table": sql.Identifier(_POINTS[kind].name),
        "key": sql.Identifier(_KEYS[kind]),
        "reduction": sql.Literal(reduction),
        "one": sql.SQL(", ").join(sql.SQL("one.{}").format(sql.Identifier(name)) for name in _VALUES),
        "other": sql.SQL(", ").join(sql.SQL("other.{}").format(sql.Identifier(name)) for name in _VALUES),
        "values": sql.SQL(", ").join(map(sql.Identifier, _VALUES)),
    }
    # Rows with equal values are one, and may be given twice.
    given = (
        "SELECT {key}, count(*) OVER () FROM (SELECT DISTINCT diaobjectid, {key}, {values} FROM given_points) AS one"
        " GROUP BY diaobjectid, {key} HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    )
    stored = (
        "SELECT one.{key}, count(*) OVER () FROM given_points AS one JOIN {table} AS other"
        " ON other.diaobjectid = one.diaobjectid AND other.{key} = one.{key} AND other.reduction = {reduction}"
        " WHERE ({one}) IS DISTINCT FROM ({other}) ORDER BY 1 LIMIT 1"
    )
    for query, what in ((given, "given twice"), (stored, "stored")):
        found = connection.execute(sql.SQL(query).format(**names)).fetchone()
        if found is not None:
            raise VersionError(
                f"{kind}: {found[1]:,} points are {what} with other values, {found[0]} for one: a reduction does not"
                " change; load another processing as another base version"
            )
