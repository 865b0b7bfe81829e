"""New objects of the last nights with their classes, and rates, for the front page."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

NIGHTS: Final = 7
"""Nights of the list of rates."""
NEW_DAYS: Final = 30.0
"""An object is new if its first detection is at most this many days before the last nights."""
_MJD_ZERO: Final = 678_576
"""Ordinal of the day of MJD 0."""


@dataclass(frozen=True)
class RecentObject:
    """A new object."""

    diaobjectid: int
    ra: float
    """ICRS, degrees."""
    decl: float
    """ICRS, degrees."""
    firstdiasourcemjdtai: float
    """MJD TAI."""
    lastdiasourcemjdtai: float | None
    """MJD TAI."""
    ndiasources: int | None
    latest_psfflux: float | None
    """nJy, of the newest detection."""
    classification: str | None
    """Context class; None if nothing is near the object."""
    tns_name: str | None

    @property
    def magnitude(self) -> float | None:
        """AB magnitude of the newest detection; None if its flux is not positive."""
        import math

        flux = self.latest_psfflux
        return 31.4 - 2.5 * math.log10(flux) if flux is not None and flux > 0 else None


@dataclass(frozen=True)
class NightRate:
    """Numbers of a night."""

    night: datetime.date
    alerts: int
    sources: int
    objects: int


_NEW: Final = (
    "SELECT diaobjectid, object.ra, object.decl, firstdiasourcemjdtai, lastdiasourcemjdtai, ndiasources,"
    " latest_psfflux, found.classification, tns_name FROM objects AS object"
    " LEFT JOIN associations AS found USING (diaobjectid, associationid)"
    " WHERE lastdiasourcemjdtai >= %(since)s AND firstdiasourcemjdtai >= %(new)s AND ndiasources >= 2"
    " AND object.ra IS NOT NULL AND object.decl IS NOT NULL"
)
_BRIGHTEST: Final = _NEW + " AND latest_psfflux > 0 ORDER BY latest_psfflux DESC, diaobjectid LIMIT %(most)s"
_NEWEST: Final = _NEW + " ORDER BY firstdiasourcemjdtai DESC, diaobjectid LIMIT %(most)s"


def rates(connection: psycopg.Connection[Any], *, nights: int = NIGHTS) -> list[NightRate]:
    """Alerts, detections and objects of the last nights that have any, the newest first."""
    with connection.cursor(row_factory=class_row(NightRate)) as cursor:
        return cursor.execute(
            "SELECT night, sum(ingest_batch_night.stored)::bigint AS alerts, sum(sources)::bigint AS sources,"
            " sum(objects)::bigint AS objects FROM ingest_batch_night JOIN ingest_batch USING (ingestid)"
            " WHERE kind <> 'reprocess' GROUP BY night ORDER BY night DESC LIMIT %s",
            (nights,),
        ).fetchall()


def recent_objects(
    connection: psycopg.Connection[Any], since: datetime.date, *, brightest: bool, most: int
) -> list[RecentObject]:
    """New objects that were detected in the last nights: with two detections or more, the first within `NEW_DAYS`.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to the database.
    since : datetime.date
        First night.
    brightest : bool
        Whether to list the brightest first, by the difference flux of their newest detection; else those whose first
        detection is latest.
    most : int
        Maximum number.
    """
    begin = since.toordinal() - _MJD_ZERO + 0.5  # noon; the longitude of the observatory does not matter here
    values = {"since": begin, "new": begin - NEW_DAYS, "most": most}
    with connection.cursor(row_factory=class_row(RecentObject)) as cursor:
        return cursor.execute(_BRIGHTEST if brightest else _NEWEST, values).fetchall()
