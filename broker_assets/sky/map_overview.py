"""Which sky maps of events there are, and what is known about each. Read-only."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row

from broker_assets.sky.skymaps import SkyMap, stored_sky_map

State = Literal["matched", "retracted", "superseded", "expired", "not matched"]


class UnknownMap(LookupError):
    """There is no sky map with this number."""


@dataclass(frozen=True)
class MapSummary:
    """A version of the map of an event."""

    mw_id: int
    namespace: str
    event: str
    version: str
    event_date: datetime.datetime
    event_tai: float
    """MJD TAI."""
    more_info: str | None
    area10: float | None
    """Area of the 10 per cent region, deg²."""
    area50: float | None
    area90: float | None
    params: dict[str, Any] | None
    active: bool
    active_until: datetime.datetime
    retracted_at: datetime.datetime | None
    received_at: datetime.datetime
    newest: int
    """`mw_id` of the newest version."""
    hits: int
    """Objects inside its 90 per cent region."""

    @property
    def state(self) -> State:
        """Whether it is matched, and if not, why."""
        if self.retracted_at is not None:
            return "retracted"
        if self.newest != self.mw_id:
            return "superseded"
        if self.active:
            return "matched"
        return "expired" if self.active_until <= datetime.datetime.now(datetime.UTC) else "not matched"

    @property
    def classes(self) -> list[tuple[str, float]]:
        """Classes of the source with their probabilities, the most likely first."""
        found = (self.params or {}).get("classification") or {}
        return sorted(((name, float(value)) for name, value in found.items()), key=lambda one: -one[1])

    @property
    def distance(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the distance, Mpc, where the map has one."""
        found = (self.params or {}).get("location") or {}
        mean, deviation = found.get("distmean"), found.get("diststd")
        return (float(mean), float(deviation)) if mean is not None and deviation is not None else None


_SELECT: Final = (
    "SELECT mw_id, namespace, otherid AS event, version, event_date, event_tai, more_info, area10, area50, area90,"
    " params, active, active_until, retracted_at, received_at, (SELECT newer.mw_id FROM mma_areas AS newer"
    " WHERE (newer.namespace, newer.otherid) = (map.namespace, map.otherid) ORDER BY newer.version DESC LIMIT 1)"
    " AS newest, (SELECT count(*) FROM mma_area_hits AS hit WHERE hit.mw_id = map.mw_id) AS hits FROM mma_areas AS map"
)


def newest_maps(connection: psycopg.Connection[Any], *, limit: int = 100) -> list[MapSummary]:
    """The newest version of the map of each event, the latest event first."""
    with connection.cursor(row_factory=class_row(MapSummary)) as cursor:
        return cursor.execute(
            f"SELECT * FROM ({_SELECT}) AS every WHERE mw_id = newest"  # noqa: S608
            " ORDER BY event_date DESC, mw_id DESC LIMIT %s",
            (limit,),
        ).fetchall()


def versions(connection: psycopg.Connection[Any], identifier: int) -> list[MapSummary]:
    """All versions of the map of an event, the newest first, from the number of any of them.

    Raises
    ------
    UnknownMap
        If there is no map of this number.
    """
    with connection.cursor(row_factory=class_row(MapSummary)) as cursor:
        found = cursor.execute(
            f"{_SELECT} WHERE (namespace, otherid) = (SELECT namespace, otherid FROM mma_areas WHERE mw_id = %s)"  # noqa: S608
            " ORDER BY version DESC",
            (identifier,),
        ).fetchall()
    if not found:
        raise UnknownMap(f"there is no sky map {identifier}")
    return found


def map_content(connection: psycopg.Connection[Any], identifier: int) -> SkyMap:
    """The map itself.

    Raises
    ------
    UnknownMap
        If there is no map of this number, or it is no longer kept.
    """
    row = connection.execute("SELECT sky_map FROM mma_areas WHERE mw_id = %s", (identifier,)).fetchone()
    if row is None or row[0] is None:
        raise UnknownMap(f"there is no sky map {identifier}")
    return stored_sky_map(bytes(row[0]))
