"""Root objects: every object of a survey belongs to one, and objects within one arcsecond share it.

Surveys give several identifiers to the same source on the sky, and new ones in every reduction. A new object joins the
nearest root object within `RADIUS`; if there is none, it becomes one. New objects are processed in order of their
numbers, one writer at a time, so that the result does not depend on how many are processed at a time, nor by which
writer. A source that alerts assigned to several objects belongs to the object in the newest alert.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.accounting.facts import NightRows
from broker_assets.database.fetch import fetch
from broker_assets.tom.versions.definitions import OBJECTS, REALTIME, find_base

Connection = psycopg.Connection[Any]
log = logging.getLogger(__name__)

ROOTS_VERSION: Final = "1"
"""Version of this code; raise it when objects get other roots."""
RADIUS: Final = 1.0
"""Largest separation of an object from its root, arcsec."""
ZONE: Final = 2.0
"""Height of a declination strip, arcsec: everything within the radius is in the same or an adjacent strip."""
TOGETHER: Final = 100_000
"""Objects that get their roots in one transaction."""
_LOCK: Final = 0x726F6F74
_ARCSEC: Final = 3600.0

# Haversines are compared, which are accurate where the cosine of a small angle is not.
_NEAR: Final = (
    "power(sin(radians(one.dec - other.dec) / 2), 2) + cos(radians(one.dec)) * cos(radians(other.dec))"
    " * power(sin(radians(one.ra - other.ra) / 2), 2)"
)
# Right ascensions within reach: a wider range near the poles, all of them at a pole, and both sides of 0°.
_REACH: Final = (
    "CROSS JOIN LATERAL (VALUES (0.0), (360.0), (-360.0)) AS turn (by) JOIN {other} AS other"
    " ON other.survey = one.survey AND other.zone BETWEEN one.zone - 1 AND one.zone + 1"
    " AND other.ra BETWEEN one.ra + turn.by - one.reach AND one.ra + turn.by + one.reach"
)


@dataclass(frozen=True)
class Placed:
    """Counts of what was done."""

    objects: int = 0
    """Objects that got a root."""
    roots: int = 0
    """Roots that were created for them."""

    def __add__(self, other: Placed) -> Placed:
        return Placed(self.objects + other.objects, self.roots + other.roots)


def place_new(connection: Connection) -> Placed:
    """Give a root to every object of the broker that has none.

    Parameters
    ----------
    connection : psycopg.Connection
        With autocommit, outside a transaction; each transaction handles `TOGETHER` objects.
    """
    base = find_base(connection, REALTIME, OBJECTS)[0]
    done = Placed()
    while True:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            taken = _take(
                connection,
                sql.SQL(
                    "SELECT stored.diaobjectid, stored.survey, stored.ra, stored.decl FROM objects AS stored"
                    " WHERE stored.diaobjectid <> 0 AND stored.ra BETWEEN -360 AND 720 AND abs(stored.decl) <= 90"
                    " AND NOT EXISTS (SELECT FROM diaobject AS known WHERE known.diaobjectid = stored.diaobjectid)"
                    " ORDER BY stored.diaobjectid LIMIT {}"
                ).format(sql.Literal(TOGETHER)),
            )
            done += _place(connection, base)
        if taken < TOGETHER:
            return done
        log.info("placed %s", done)


def place_given(connection: Connection, base: Any, query: sql.Composable) -> Placed:
    """Give objects of a reduction their roots.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    base : uuid.UUID
        Base version of the objects.
    query : psycopg.sql.Composable
        Query for identifier, survey, right ascension and declination (deg) of each object; objects that have a root
        keep it.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    _take(
        connection,
        sql.SQL(
            "SELECT given.* FROM ({}) AS given (diaobjectid, survey, ra, dec) WHERE NOT EXISTS"
            " (SELECT FROM diaobject AS known WHERE known.diaobjectid = given.diaobjectid)"
        ).format(query),
    )
    return _place(connection, base)


def _take(connection: Connection, query: sql.Composable) -> int:
    """Fill the temporary table `placed_objects` with the objects that need a root."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.placed_objects, pg_temp.placed_leaders")
    connection.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE placed_objects ON COMMIT DROP AS SELECT diaobjectid, survey::smallint AS survey,"
            " ra - 360 * floor(ra / 360) AS ra, dec, floor(dec * {arcsec} / {zone})::int AS zone,"
            " CASE WHEN abs(dec) + {radius} >= 90 THEN 360 ELSE degrees(atan(sin(radians({radius})) / sqrt(abs("
            "cos(radians(dec - {radius})) * cos(radians(dec + {radius})))))) END AS reach, NULL::uuid AS rootid,"
            " NULL::float8 AS chord"
            " FROM ({query}) AS given (diaobjectid, survey, ra, dec)"
        ).format(
            query=query,
            arcsec=sql.Literal(_ARCSEC),
            zone=sql.Literal(ZONE),
            radius=sql.Literal(RADIUS / _ARCSEC),
        )
    )
    count = connection.execute("SELECT count(*) FROM placed_objects").fetchone()
    connection.execute("CREATE INDEX ON placed_objects (survey, zone, ra)")
    connection.execute("ANALYZE placed_objects")
    return int(count[0]) if count is not None else 0


def _place(connection: Connection, base: Any) -> Placed:
    near = sql.Literal(float(np.sin(np.radians(RADIUS / _ARCSEC) / 2) ** 2))
    reach, chord = sql.SQL(_REACH), sql.SQL(_NEAR)
    # Existing roots: the nearest one for each object.
    connection.execute(
        sql.SQL(
            "UPDATE placed_objects AS object SET rootid = nearest.id, chord = nearest.chord FROM"
            " (SELECT DISTINCT ON (one.diaobjectid) one.diaobjectid, other.id, {chord} AS chord"
            " FROM placed_objects AS one {reach} WHERE {chord} <= {near} ORDER BY one.diaobjectid, 3, other.id)"
            " AS nearest WHERE nearest.diaobjectid = object.diaobjectid"
        ).format(reach=reach.format(other=sql.SQL("root_diaobject")), chord=chord, near=near)
    )
    # New roots: an object near an existing root does not become one.
    pairs = fetch(
        connection,
        sql.SQL(
            "SELECT DISTINCT one.diaobjectid, other.diaobjectid, {chord}, one.rootid IS NOT NULL"
            " FROM placed_objects AS one {reach} WHERE other.rootid IS NULL AND other.diaobjectid < one.diaobjectid"
            " AND {chord} <= {near}"
        ).format(reach=reach.format(other=sql.SQL("placed_objects")), chord=chord, near=near),
        pa.schema([("object", pa.int64()), ("smaller", pa.int64()), ("chord", pa.float64()), ("joins", pa.bool_())]),
    )
    objects, smaller, chords, joins = (
        pairs[name].to_numpy(zero_copy_only=False) for name in ("object", "smaller", "chord", "joins")
    )
    followers, leaders, apart = led(objects, smaller, chords, joins)
    connection.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE placed_leaders ON COMMIT DROP AS SELECT * FROM"
            " unnest({}::bigint[], {}::bigint[], {}::float8[]) AS pair (diaobjectid, leader, chord)"
        ).format(sql.Literal(followers.tolist()), sql.Literal(leaders.tolist()), sql.Literal(apart.tolist()))
    )
    # The identifier of a root is a hash of its first object, so that it can be reproduced.
    roots = connection.execute(
        "INSERT INTO root_diaobject (id, ra, dec, survey, zone) SELECT md5('root ' || diaobjectid)::uuid, ra, dec,"
        " survey, zone FROM placed_objects WHERE rootid IS NULL AND diaobjectid NOT IN"
        " (SELECT diaobjectid FROM placed_leaders) ORDER BY diaobjectid"
    ).rowcount
    count = connection.execute(
        "INSERT INTO diaobject (diaobjectid, base_procver_id, rootid) SELECT object.diaobjectid, %s,"
        " CASE WHEN object.rootid IS NULL OR pair.chord < object.chord"
        " THEN md5('root ' || coalesce(pair.leader, object.diaobjectid))::uuid ELSE object.rootid END"
        " FROM placed_objects AS object LEFT JOIN placed_leaders AS pair USING (diaobjectid)"
        " ORDER BY object.diaobjectid ON CONFLICT (diaobjectid) DO NOTHING",
        (base,),
    ).rowcount
    return Placed(count, roots)


def led(
    objects: NDArray[np.int64], smaller: NDArray[np.int64], chord: NDArray[np.float64], joins: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Decide which objects join which, if objects are processed in order of their numbers.

    An object becomes a root unless a root was created near it before; otherwise it joins the nearest of these.

    Parameters
    ----------
    objects, smaller : (n,) int64 array
        Pairs of objects that are near each other, the larger number first.
    chord : (n,) float64 array
        Their distance, in any unit.
    joins : (n,) bool array
        Whether the first object of a pair is near an existing root, and therefore does not become one.

    Returns
    -------
    followers, leaders : (m,) int64 array
        Objects that join another one, ascending, and the nearest object that each can join.
    chord : (m,) float64 array
        Their distance.

    Examples
    --------
    A chain: 2 joins 1, 3 is near 2 only, which is not a root; 4 joins 3.

    >>> led(np.array([2, 3, 4]), np.array([1, 2, 3]), np.array([0.5, 0.5, 0.5]), np.zeros(3, bool))[:2]
    (array([2, 4]), array([1, 3]))
    """
    known, code = np.unique(np.concatenate([objects, smaller]), return_inverse=True)
    larger, lesser = code[: len(objects)], code[len(objects) :]
    undecided, root, follows = 0, 1, 2
    state = np.zeros(len(known), np.int8)
    state[larger[joins]] = follows
    while (state == undecided).any():
        # An object near a root joins it; one whose smaller neighbours have all joined others becomes a root.
        near_root = np.zeros(len(known), bool)
        near_root[larger[state[lesser] == root]] = True
        waits = np.zeros(len(known), bool)
        waits[larger[state[lesser] == undecided]] = True
        is_open = state == undecided
        state[is_open & near_root] = follows
        state[is_open & ~near_root & ~waits] = root
    to_root = (state[larger] == follows) & (state[lesser] == root)
    order = np.lexsort((lesser[to_root], chord[to_root], larger[to_root]))
    who, whom, apart = larger[to_root][order], lesser[to_root][order], chord[to_root][order]
    followers, first = np.unique(who, return_index=True)
    return known[followers], known[whom[first]], apart[first]


def follow_sources(connection: Connection, night: str | None = None) -> int:
    """Find sources that alerts assigned to several objects, and record the object to which they belong.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    night : str, optional
        Only sources in packets of this night; default: all.

    Returns
    -------
    int
        Sources whose object changed.
    """
    of_night = sql.SQL("") if night is None else sql.SQL(" AND new.night = {}::date").format(sql.Literal(night))
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        # The time is compared too, so that only one partition is searched for each source.
        return connection.execute(
            sql.SQL(
                "INSERT INTO reassigned_sources AS kept (diasourceid, reduction, diaobjectid, brought)"
                " SELECT DISTINCT ON (diasourceid, reduction) diasourceid, reduction, diaobjectid, brought FROM ("
                "SELECT old.diasourceid, old.reduction, old.diaobjectid,"
                " coalesce(old.broughtbymjdtai, old.midpointmjdtai) AS brought, old.broughtby FROM diasources AS new"
                " JOIN diasources AS old ON old.diasourceid = new.diasourceid AND old.reduction = new.reduction"
                " AND old.midpointmjdtai = new.midpointmjdtai WHERE EXISTS (SELECT FROM diasources AS other"
                " WHERE other.diasourceid = new.diasourceid AND other.reduction = new.reduction"
                " AND other.midpointmjdtai = new.midpointmjdtai AND other.diaobjectid NOT IN (0, new.diaobjectid))"
                " AND new.diaobjectid <> 0 AND old.diaobjectid <> 0{night}) AS candidate"
                " ORDER BY diasourceid, reduction, brought DESC, broughtby DESC NULLS LAST, diaobjectid DESC"
                " ON CONFLICT (diasourceid, reduction) DO UPDATE SET diaobjectid = excluded.diaobjectid,"
                " brought = excluded.brought WHERE kept.diaobjectid <> excluded.diaobjectid"
            ).format(night=of_night)
        ).rowcount


_WHOLE: Final = 1 << 64


def reassigned_of(connection: Connection, night: str) -> NightRows:
    """Sources in packets of a night that were assigned to several objects, with their present object."""
    row = connection.execute(
        "SELECT count(*), count(DISTINCT diaobjectid),"
        " coalesce(sum(hashtextextended(diasourceid || ' ' || diaobjectid, 0)::numeric), 0)"
        " FROM (SELECT DISTINCT moved.diasourceid, moved.diaobjectid FROM diasources AS source JOIN"
        " reassigned_sources AS moved USING (diasourceid, reduction) WHERE source.night = %s::date) AS found",
        (night,),
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    return NightRows(int(row[1]), int(row[0]), int(row[2]) % _WHOLE)


def roots_checksum(connection: Connection) -> NightRows:
    """Numbers of objects and root objects, and a checksum of their assignment."""
    row = connection.execute(
        "SELECT count(*), (SELECT count(*) FROM root_diaobject),"
        " coalesce(sum(hashtextextended(diaobjectid || ' ' || rootid, 0)::numeric), 0) FROM diaobject"
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    return NightRows(int(row[0]), int(row[1]), int(row[2]) % _WHOLE)
