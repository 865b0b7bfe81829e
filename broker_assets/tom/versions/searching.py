"""Searches for root objects by position and statistics of their detections, and counts rows, by version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import psycopg
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database.border import Conditions
from broker_assets.database.border_sql import anything_left, ask
from broker_assets.database.point_identity import TENTHS_OF_A_SECOND
from broker_assets.database.tables import diaforcedsources, diasources
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.definitions import Version
from broker_assets.tom.versions.roots import ZONE

Connection = psycopg.Connection[Any]

_MAGNITUDES: Final = (24, 23, 22, 21)
_RATIOS: Final = (10, 7, 5)
_ZERO_POINT: Final = 31.4
STATISTICS: Final[dict[str, str]] = {
    "firstdet_mjd": "min(mjd)",
    "firstdet_flux": "(array_agg(flux ORDER BY mjd, exposure))[1]",
    "firstdet_fluxerr": "(array_agg(fluxerr ORDER BY mjd, exposure))[1]",
    "lastdet_mjd": "max(mjd)",
    "lastdet_flux": "(array_agg(flux ORDER BY mjd DESC, exposure))[1]",
    "lastdet_fluxerr": "(array_agg(fluxerr ORDER BY mjd DESC, exposure))[1]",
    "maxdet_mjd": "(array_agg(mjd ORDER BY flux DESC NULLS LAST, mjd))[1]",
    "maxdet_flux": "max(flux)",
    "maxdet_fluxerr": "(array_agg(fluxerr ORDER BY flux DESC NULLS LAST, mjd))[1]",
    "ndets": "count(*)",
    **{
        f"ndets{magnitude}": f"count(*) FILTER (WHERE flux >= {10 ** ((_ZERO_POINT - magnitude) / 2.5)!r})"
        for magnitude in _MAGNITUDES
    },
    **{f"nsn{ratio}": f"count(*) FILTER (WHERE flux > {ratio} * fluxerr)" for ratio in _RATIOS},
}
"""SQL of each statistic of the detections of a root object. Times are MJD TAI, fluxes nJy."""
PLACE: Final = ("ra", "dec")
MOST_LOOKED_AT: Final = 100_000
"""Most root objects whose points a search may read: statistics are not stored, but computed from all points."""
FORCED_STATISTICS: Final = ("nfrc", "lastforced_mjd", "lastforced_flux", "lastforced_fluxerr")
_TABLES: Final = {definitions.DETECTIONS: diasources, definitions.FORCED: diaforcedsources}
_POINTS: Final = (
    "SELECT DISTINCT ON (object.rootid, exposure) object.rootid, coalesce(visit, -round(midpointmjdtai * {tenths})"
    "::bigint) AS exposure, CASE band WHEN 'y' THEN 'Y' ELSE band END AS band, midpointmjdtai AS mjd, psfflux AS flux,"
    " psffluxerr AS fluxerr FROM {chosen} JOIN diaobject AS object ON object.rootid = chosen.id"
    " JOIN {table} AS point ON point.diaobjectid = object.diaobjectid"
    " JOIN (VALUES {reductions}) AS part (reduction, priority) ON part.reduction = point.reduction"
    " WHERE timewithdrawnmjdtai IS NULL{moved}{until} ORDER BY object.rootid, exposure, part.priority DESC"
)
_MOVED: Final = (
    " AND NOT EXISTS (SELECT FROM reassigned_sources AS moved WHERE moved.diasourceid = point.diasourceid"
    " AND moved.reduction = point.reduction AND moved.diaobjectid <> point.diaobjectid)"
)


class TooManyObjectsError(ValueError):
    """A search would read the points of too many root objects."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"more than {most:,} root objects are where the search looks: give ra, dec and radius, or limits of ra and"
            " dec; in a version of the alerts alone also limits of firstdet_mjd, lastdet_mjd or maxdet_mjd"
        )


def _points(version: Version, kind: str, chosen: sql.Composable, until: float | None) -> sql.Composable | None:
    """The points of root objects that count; None if the version has no points of the kind."""
    reductions = version.reductions(kind)
    if not reductions:
        return None
    detections = kind == definitions.DETECTIONS
    return sql.SQL(_POINTS).format(
        tenths=sql.Literal(TENTHS_OF_A_SECOND),
        chosen=chosen,
        table=sql.Identifier("diasources" if detections else "diaforcedsources"),
        reductions=sql.SQL(", ").join(
            sql.SQL("({}::smallint, {})").format(sql.Literal(one), sql.Literal(rank))
            for one, rank in reductions.items()
        ),
        moved=sql.SQL(_MOVED if detections else ""),
        until=sql.SQL("") if until is None else sql.SQL(" AND midpointmjdtai <= {}").format(sql.Literal(until)),
    )


def _tables(connection: Connection, chosen: sql.Composable) -> dict[sa.Table, Conditions]:
    """Conditions for the points that a search may need; empty unless points have left the database."""
    if not anything_left(connection):
        return {}
    objects = connection.execute(
        sql.SQL("SELECT object.diaobjectid FROM {} JOIN diaobject AS object ON object.rootid = chosen.id").format(
            chosen
        )
    ).fetchall()
    conditions: Conditions = [[("diaobjectid", "in", [number for (number,) in objects])]]
    return dict.fromkeys(_TABLES.values(), conditions)


def search(
    connection: Connection,
    version: Version,
    conditions: Mapping[str, tuple[float | None, float | None]],
    *,
    cone: tuple[float, float, float] | None = None,
    bands: Sequence[str] | None = None,
    until: float | None = None,
    most: int = 100_000,
    looked_at: int = MOST_LOOKED_AT,
) -> dict[str, list[Any]]:
    """Find root objects by statistics of their detections.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    version : Version
        Version whose detections count.
    conditions : mapping
        Smallest and largest value, both inclusive, of a statistic or of `ra` or `dec` (deg), by name; None: no limit.
    cone : (ra, dec, radius), optional
        Position and radius: deg, deg, arcsec.
    bands : sequence of str, optional
        Only detections in these bands; each band then has a row of its own.
    until : float, optional
        Only points up to this time, MJD TAI.
    most : int
        Maximum number of rows.
    looked_at : int
        Most root objects whose points are read: those that the cone, limits of `ra` and `dec`, and times leave.

    Returns
    -------
    dict of str to list
        `rootid`, `band` where bands are given, `ra`, `dec`, `STATISTICS` and `FORCED_STATISTICS`, by root object.

    Raises
    ------
    TooManyObjectsError
        If there are more than `looked_at`.
    """
    place = {name: conditions[name] for name in PLACE if name in conditions}
    where = _all([*_bounds(place), *([] if cone is None else [_in_cone(*cone)]), *_candidates(version, conditions)])
    beyond = connection.execute(
        sql.SQL("SELECT FROM root_diaobject AS root WHERE {} OFFSET {} LIMIT 1").format(where, sql.Literal(looked_at))
    ).fetchone()
    if beyond is not None:
        raise TooManyObjectsError(looked_at)
    chosen = sql.SQL("(SELECT id, ra, dec FROM root_diaobject AS root WHERE {}) AS chosen").format(where)
    points = _points(version, definitions.DETECTIONS, chosen, until)
    names = ["rootid", *(["band"] if bands is not None else []), *PLACE, *STATISTICS, *FORCED_STATISTICS]
    if points is None:
        return {name: [] for name in names}
    statistics = [
        sql.SQL("{} AS {}").format(sql.SQL(text), sql.Identifier(name))  # type: ignore[arg-type]
        for name, text in STATISTICS.items()
    ]
    of_band = sql.SQL(", band" if bands is not None else "")
    found = sql.SQL(
        "SELECT rootid{of_band}, {statistics} FROM ({points}) AS point{bands} GROUP BY rootid{of_band}"
    ).format(
        of_band=of_band,
        statistics=sql.SQL(", ").join(statistics),
        points=points,
        bands=sql.SQL("" if bands is None else " WHERE band = ANY({}::text[])").format(
            sql.Literal(["Y" if band == "y" else band for band in bands or ()])
        )
        if bands is not None
        else sql.SQL(""),
    )
    forced = _points(
        version, definitions.FORCED, sql.SQL("(SELECT statistic.rootid AS id) AS chosen"), until
    ) or sql.SQL("SELECT NULL::float8 AS mjd, NULL::real AS flux, NULL::real AS fluxerr, NULL AS band WHERE false")
    query = sql.SQL(
        "SELECT statistic.rootid{band}, root.ra, root.dec, {names}, forced.* FROM ({found}) AS statistic"
        " JOIN root_diaobject AS root ON root.id = statistic.rootid LEFT JOIN LATERAL (SELECT count(*) AS nfrc,"
        " max(mjd) AS lastforced_mjd, (array_agg(flux ORDER BY mjd DESC))[1] AS lastforced_flux,"
        " (array_agg(fluxerr ORDER BY mjd DESC))[1] AS lastforced_fluxerr FROM ({forced}) AS measured{of_band})"
        " AS forced ON true WHERE {conditions} ORDER BY statistic.rootid{band} LIMIT {most}"
    ).format(
        band=sql.SQL(", statistic.band" if bands is not None else ""),
        names=sql.SQL(", ").join(sql.Identifier("statistic", name) for name in STATISTICS),
        found=found,
        forced=forced,
        of_band=sql.SQL(" WHERE measured.band = statistic.band" if bands is not None else ""),
        conditions=_all(
            _bounds({name: bounds for name, bounds in conditions.items() if name not in PLACE}, "statistic")
        ),
        most=sql.Literal(most),
    )
    rows = ask(connection, query, _tables(connection, chosen)).fetchall()
    return {name: [row[number] for row in rows] for number, name in enumerate(names)}


def _all(conditions: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")


def _bounds(conditions: Mapping[str, tuple[float | None, float | None]], table: str = "root") -> list[sql.Composable]:
    found: list[sql.Composable] = []
    for name, (least, largest) in conditions.items():
        column = sql.Identifier(table, name)
        if least is not None:
            found.append(sql.SQL("{} >= {}").format(column, sql.Literal(least)))
        if largest is not None:
            found.append(sql.SQL("{} <= {}").format(column, sql.Literal(largest)))
    return found


def _in_cone(ra: float, dec: float, radius: float) -> sql.Composable:
    """Root objects in a cone: selected by declination strip, then by true distance."""
    degrees = radius / 3600.0
    reach = 360.0
    if abs(dec) + degrees < 90.0:
        product = np.cos(np.radians(dec - degrees)) * np.cos(np.radians(dec + degrees))
        reach = float(np.degrees(np.arctan(np.sin(np.radians(degrees)) / np.sqrt(abs(product)))))
    begin, end = (int(np.floor((dec + sign * degrees) * 3600.0 / ZONE)) for sign in (-1, 1))
    turns = [
        sql.SQL("root.ra BETWEEN {} AND {}").format(sql.Literal(middle - reach), sql.Literal(middle + reach))
        for middle in (ra % 360.0, ra % 360.0 - 360.0, ra % 360.0 + 360.0)
    ]
    return sql.SQL(
        "root.zone BETWEEN {begin} AND {end} AND ({turns}) AND root.survey = ANY('{{1,2,3}}'::smallint[])"
        " AND power(sin(radians(root.dec - {dec}) / 2), 2) + cos(radians(root.dec)) * cos(radians({dec}))"
        " * power(sin(radians(root.ra - {ra}) / 2), 2) <= {chord}"
    ).format(
        begin=sql.Literal(begin),
        end=sql.Literal(end),
        turns=sql.SQL(" OR ").join(turns),
        ra=sql.Literal(ra),
        dec=sql.Literal(dec),
        chord=sql.Literal(float(np.sin(np.radians(min(degrees, 180.0)) / 2) ** 2)),
    )


def _candidates(version: Version, conditions: Mapping[str, tuple[float | None, float | None]]) -> list[sql.Composable]:
    """Root objects that may satisfy conditions on times, from stored properties of objects, to read fewer points.

    Such properties are stored only for the reduction of the alerts.
    """
    if set(version.reductions(definitions.DETECTIONS)) != {0}:
        return []
    found: list[sql.Composable] = []
    newest = [conditions[name][0] for name in ("lastdet_mjd", "firstdet_mjd", "maxdet_mjd") if name in conditions]
    oldest = [conditions[name][1] for name in ("lastdet_mjd", "firstdet_mjd", "maxdet_mjd") if name in conditions]
    for column, sign, values in (
        ("lastdiasourcemjdtai", ">=", [value for value in newest if value is not None]),
        ("firstdiasourcemjdtai", "<=", [value for value in oldest if value is not None]),
    ):
        if values:
            limit = max(values) if sign == ">=" else min(values)
            found.append(
                sql.SQL(
                    "root.id IN (SELECT known.rootid FROM objects AS stored JOIN diaobject AS known"
                    " USING (diaobjectid) WHERE stored.{column} {sign} {limit} OR stored.{column} IS NULL)"
                ).format(column=sql.Identifier(column), sign=sql.SQL(sign), limit=sql.Literal(limit))  # type: ignore[arg-type]
            )
    return found


COUNTED: Final = {"rootid": "", "diaobject": "", "diasource": "diasources", "diaforcedsource": "diaforcedsources"}
"""What can be counted, and the table of its points."""


def count(connection: Connection, version: Version, what: str) -> int:
    """Count root objects, objects, or visits with a detection or a forced measurement, in a version."""
    if not COUNTED[what]:
        distinct = "count(DISTINCT rootid)" if what == "rootid" else "count(*)"
        bases = [base.identifier for base in version.of(definitions.OBJECTS)]
        row = connection.execute(
            f"SELECT {distinct} FROM diaobject WHERE base_procver_id = ANY(%s)",  # type: ignore[arg-type]  # noqa: S608
            (bases,),
        ).fetchone()
    else:
        points = _points(version, what, sql.SQL("root_diaobject AS chosen"), None)
        if points is None:
            return 0
        whole = sql.SQL("SELECT count(*) FROM ({}) AS point").format(points)
        row = ask(connection, whole, {_TABLES[what]: []}).fetchone()
    return int(row[0]) if row is not None else 0


def estimate(connection: Connection, version: Version, what: str) -> int:
    """The same from table statistics, which count the rows of all reductions and take no time."""
    table = COUNTED[what] or ("root_diaobject" if what == "rootid" else "diaobject")
    row = connection.execute(
        "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class WHERE relkind = 'r' AND"
        " (oid = %(table)s::regclass OR oid IN (SELECT relid FROM pg_partition_tree(%(table)s::regclass)))",
        {"table": table},
    ).fetchone()
    return int(row[0]) if row is not None else 0
