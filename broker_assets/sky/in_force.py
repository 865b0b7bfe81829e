"""What is matched as of a number of the counter of changes: cones, areas and sky maps.

The indices on disk are of some moment in the past. Later changes are read from the database and applied on top of them,
so that a batch is matched with the lists of exactly the number that it records, whether an index is a minute old,
missing, or newer than the night that is computed. Objects of these classes never change; `advanced` returns a new one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.sky.areas import AreaIndex, build_area_index, match_areas, update_area_index
from broker_assets.sky.changes import BEFORE_ALL, area_changes, cone_changes, index_of_rows
from broker_assets.sky.cones import ConeIndex, build_cone_index, match_cones, update_cone_index
from broker_assets.sky.skymaps import SkyMap, match_sky_map, stored_sky_map
from broker_assets.sky.store import DamagedIndex, current_state, current_version, read_area_index, read_cone_index

logger = logging.getLogger(__name__)

CONES, AREAS = "cones", "areas"
"""Folders of the indices, below that of the platform's sky indices."""

TRIES = 5
"""Attempts to read an index that is being replaced."""

SKY_MAP_LEVEL = 90.0
"""per cent; largest credible level of a hit."""
DAYS_AROUND_EVENT = 21.0
"""An alert belongs to the sky map of an event from this long before the event to this long after it."""

Ids = NDArray[np.int64]
Degrees = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ConesInForce:
    """The cones of all watchlists that are matched at a number."""

    base: ConeIndex
    """Index of an earlier number."""
    removed_cones: Ids
    """Cones of `base` that do not count."""
    removed_lists: Ids
    """Watchlists whose cones in `base` do not count."""
    added: ConeIndex
    """Cones in addition to those of `base`."""
    revision: int
    """The number."""

    @classmethod
    def of(cls, base: ConeIndex, revision: int) -> Self:
        """An index as it is."""
        nothing = np.empty(0, np.int64)
        return cls(base, nothing, nothing, build_cone_index([], [], []), revision)

    @property
    def version(self) -> str:
        """Version of the index, with the number if there are changes on top of it."""
        changed = len(self.removed_cones) + len(self.removed_lists) + len(self.added)
        return f"{self.base.version}+{self.revision}" if changed else self.base.version

    def advanced(self, connection: psycopg.Connection[Any], until: int) -> ConesInForce:
        """The cones at a later number."""
        changes = cone_changes(connection, self.revision, until)
        kept = ~(np.isin(self.added.cone, changes.removed_cones) | np.isin(self.added.watchlist, changes.removed_lists))
        return ConesInForce(
            self.base,
            np.union1d(self.removed_cones, changes.removed_cones),
            np.union1d(self.removed_lists, changes.removed_lists),
            update_cone_index(self.added, removed=~kept, added=index_of_rows(changes.added)),
            until,
        )

    def match(self, ra: Degrees, dec: Degrees, mjd: Degrees) -> pa.Table:
        """Every pair of a position at a time (MJD TAI) and a cone that contains it, as `CONE_MATCHES`.

        Parameters
        ----------
        ra, dec : (n,) float64 array
            ICRS, degrees.
        mjd : (n,) float64 array
            MJD TAI; cones with a time window match only within it.
        """
        parts = []
        for index, whole in ((self.base, False), (self.added, True)):
            if len(index) == 0:
                continue
            hits = match_cones(index, ra, dec, mjd=mjd)
            cone, watchlist = np.asarray(index.cone[hits.cone]), np.asarray(index.watchlist[hits.cone])
            counts = np.ones(len(hits), bool)
            if not whole and len(self.removed_cones):
                counts &= ~np.isin(cone, self.removed_cones)
            if not whole and len(self.removed_lists):
                counts &= ~np.isin(watchlist, self.removed_lists)
            part = pa.table(
                {
                    "row": hits.position,
                    "cone_id": cone,
                    "wl_id": watchlist,
                    "arcsec": hits.separation,
                    "name": index.name.take(pa.array(hits.cone)),
                }
            )
            parts.append(part if counts.all() else part.filter(pa.array(counts)))
        if not parts:
            return CONE_MATCHES.empty_table()
        found = pa.concat_tables(parts)
        return found if len(parts) == 1 else found.sort_by([("row", "ascending"), ("cone_id", "ascending")])


CONE_MATCHES = pa.schema(
    [
        ("row", pa.int64()),
        ("cone_id", pa.int64()),
        ("wl_id", pa.int64()),
        ("arcsec", pa.float64()),
        ("name", pa.string()),
    ]
)
"""Positions in cones."""

AREA_MATCHES = pa.schema([("row", pa.int64()), ("ar_id", pa.int64()), ("index_version", pa.string())])
"""Positions in areas; `index_version` is the hash of the area's cells."""

SKY_MAP_MATCHES = pa.schema(
    [
        ("row", pa.int64()),
        ("mw_id", pa.int64()),
        ("contour", pa.float64()),
        ("distance", pa.float64()),
        ("probdens2", pa.float64()),
        ("probdens3", pa.float64()),
        ("distmu", pa.float64()),
        ("distsigma", pa.float64()),
        ("index_version", pa.string()),
    ]
)
"""Positions in sky maps; `index_version` is the hash of the map."""


@dataclass(frozen=True, eq=False)
class AreasInForce:
    """All areas that are matched at a number."""

    base: AreaIndex
    """Index of an earlier number."""
    removed: Ids
    """Areas of `base` that do not count."""
    added: AreaIndex
    """Areas in addition to those of `base`."""
    revision: int
    """The number."""

    @classmethod
    def of(cls, base: AreaIndex, revision: int) -> Self:
        """An index as it is."""
        return cls(base, np.empty(0, np.int64), build_area_index({}), revision)

    def advanced(self, connection: psycopg.Connection[Any], until: int) -> AreasInForce:
        """The areas at a later number."""
        changes = area_changes(connection, self.revision, until)
        gone = set(changes.removed.tolist())
        return AreasInForce(
            self.base,
            np.union1d(self.removed, changes.removed),
            update_area_index(self.added, removed=gone, added=changes.added),
            until,
        )

    def match(self, ra: Degrees, dec: Degrees) -> pa.Table:
        """Every pair of a position and an area that contains it, as `AREA_MATCHES`.

        Parameters
        ----------
        ra, dec : (n,) float64 array
            ICRS, degrees.
        """
        parts = []
        for index, whole in ((self.base, False), (self.added, True)):
            if len(index) == 0:
                continue
            hits = match_areas(index, ra, dec)
            part = area_matches(index, hits.position, hits.area)
            if not whole and len(self.removed):
                part = part.filter(pa.array(~np.isin(hits.area, self.removed)))
            parts.append(part)
        if not parts:
            return AREA_MATCHES.empty_table()
        found = pa.concat_tables(parts)
        return found if len(parts) == 1 else found.sort_by([("row", "ascending"), ("ar_id", "ascending")])


def area_matches(index: AreaIndex, row: Ids, area: Ids) -> pa.Table:
    """Hits of an index of areas as `AREA_MATCHES`."""
    versions = pa.array(index.content, pa.string())
    return pa.table(
        {"row": row, "ar_id": area, "index_version": versions.take(pa.array(np.searchsorted(index.area, area)))}
    )


@dataclass(frozen=True, eq=False)
class EventMap:
    """A sky map and the time of its event."""

    sky_map: SkyMap
    """The map."""
    event_tai: float
    """Time of the event, MJD TAI."""

    def match(
        self, identifier: int, ra: Degrees, dec: Degrees, mjd: Degrees, *, distance: Degrees | None = None
    ) -> pa.Table:
        """Positions within the map, at times (MJD TAI) near that of the event, as `SKY_MAP_MATCHES`.

        Parameters
        ----------
        identifier : int
            `mw_id` of the map.
        ra, dec : (n,) float64 array
            ICRS, degrees.
        mjd : (n,) float64 array
            MJD TAI.
        distance : (n,) float64 array, optional
            Luminosity distances, Mpc; NaN where unknown.
        """
        near = np.flatnonzero(np.abs(mjd - self.event_tai) <= DAYS_AROUND_EVENT)
        part = sky_map_matches(
            identifier, self.sky_map, ra[near], dec[near], distance=None if distance is None else distance[near]
        )
        return part.set_column(0, "row", pa.array(near[part["row"].to_numpy()]))


def sky_map_matches(
    identifier: int, sky_map: SkyMap, ra: Degrees, dec: Degrees, *, distance: Degrees | None = None
) -> pa.Table:
    """Positions within the 90 per cent region of a map, as `SKY_MAP_MATCHES`.

    Parameters
    ----------
    identifier : int
        `mw_id` of the map.
    sky_map : SkyMap
        The map.
    ra, dec : (n,) float64 array
        ICRS, degrees.
    distance : (n,) float64 array, optional
        Luminosity distances, Mpc; NaN where unknown.
    """
    hits = match_sky_map(sky_map, ra, dec, distance=distance, level=SKY_MAP_LEVEL)
    known = np.full(len(ra), np.nan) if distance is None else distance
    return pa.table(
        {
            "row": hits.position,
            "mw_id": np.full(len(hits), identifier, np.int64),
            "contour": hits.contour,
            "distance": _or_null(known[hits.position]),
            "probdens2": hits.probability_density,
            "probdens3": _or_null(hits.volume_density),
            "distmu": _or_null(hits.distance_mean),
            "distsigma": _or_null(hits.distance_sigma),
            "index_version": pa.array([sky_map.version] * len(hits), pa.string()),
        },
        schema=SKY_MAP_MATCHES,
    )


def _or_null(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def sky_maps_at(
    connection: psycopg.Connection[Any], revision: int, known: Mapping[int, EventMap] | None = None
) -> dict[int, EventMap]:
    """The sky maps that are matched at a number; those that are `known` are not read again."""
    wanted = [
        row[0]
        for row in connection.execute(
            "SELECT mw_id FROM mma_areas WHERE revision_from <= %s AND (revision_to IS NULL OR revision_to > %s)"
            " AND sky_map IS NOT NULL ORDER BY mw_id",
            (revision, revision),
        )
    ]
    known = known or {}
    maps: dict[int, EventMap] = {}
    for identifier in wanted:
        if identifier in known:
            maps[identifier] = known[identifier]
            continue
        row = connection.execute("SELECT sky_map, event_tai FROM mma_areas WHERE mw_id = %s", (identifier,)).fetchone()
        if row is not None:
            maps[identifier] = EventMap(stored_sky_map(row[0]), row[1])
    return maps


@dataclass(frozen=True)
class Matches:
    """What some positions lie in; the column `row` of each table numbers the positions."""

    cones: pa.Table
    """As `CONE_MATCHES`."""
    areas: pa.Table
    """As `AREA_MATCHES`."""
    sky_maps: pa.Table
    """As `SKY_MAP_MATCHES`."""


@dataclass(frozen=True, eq=False)
class ListsInForce:
    """Everything that is matched at a number."""

    cones: ConesInForce
    areas: AreasInForce
    sky_maps: Mapping[int, EventMap]
    revision: int
    """The number."""

    def advanced(self, connection: psycopg.Connection[Any], until: int) -> ListsInForce:
        """What is matched at a later number; the same object if that is this number."""
        if until == self.revision:
            return self
        return ListsInForce(
            self.cones.advanced(connection, until),
            self.areas.advanced(connection, until),
            sky_maps_at(connection, until, self.sky_maps),
            until,
        )

    def match(self, ra: Degrees, dec: Degrees, mjd: Degrees) -> Matches:
        """Match positions.

        Parameters
        ----------
        ra, dec : (n,) float64 array
            ICRS, degrees.
        mjd : (n,) float64 array
            Time of each, MJD TAI: sky maps match only near their event, cones with a time window only within it.
        """
        maps = [event.match(identifier, ra, dec, mjd) for identifier, event in self.sky_maps.items()]
        return Matches(
            self.cones.match(ra, dec, mjd),
            self.areas.match(ra, dec),
            pa.concat_tables(maps) if maps else SKY_MAP_MATCHES.empty_table(),
        )


def lists_at(connection: psycopg.Connection[Any], folder: Path, revision: int) -> ListsInForce:
    """What is matched at a number: from the indices in `folder` if they are not newer, else from the database alone.

    Parameters
    ----------
    connection : psycopg.Connection
        Any; it must see the changes up to the number.
    folder : Path
        Folder of the sky indices; it may be empty.
    revision : int
        The number.
    """
    cones = _cone_base(folder / CONES, revision)
    areas = _area_base(folder / AREAS, revision)
    cones = cones if cones.revision == revision else cones.advanced(connection, revision)
    areas = areas if areas.revision == revision else areas.advanced(connection, revision)
    for name, read in ((CONES, len(cones.added)), (AREAS, len(areas.added))):
        if read and current_version(folder / name) is None:
            logger.warning(
                "there is no index of %s in %s: all %d are read from the database, which is slow; is this the folder"
                " that the platform writes them to (BROKER_SKY_FOLDER)?", name, folder, read,
            )  # fmt: skip
    return ListsInForce(cones, areas, sky_maps_at(connection, revision), revision)


def base_versions(folder: Path) -> tuple[str | None, str | None]:
    """Versions of the cone and area indices on disk: callers see by them whether `lists_at` would start from others."""
    return current_version(folder / CONES), current_version(folder / AREAS)


def _cone_base(folder: Path, revision: int) -> ConesInForce:
    found = _index_before(folder, revision, read_cone_index)
    return ConesInForce.of(*found) if found else ConesInForce.of(build_cone_index([], [], []), BEFORE_ALL)


def _area_base(folder: Path, revision: int) -> AreasInForce:
    found = _index_before(folder, revision, read_area_index)
    return AreasInForce.of(*found) if found else AreasInForce.of(build_area_index({}), BEFORE_ALL)


class _Versioned(Protocol):
    @property
    def version(self) -> str: ...


Index = TypeVar("Index", bound=_Versioned)


def _index_before(folder: Path, revision: int, read: Callable[[Path], Index]) -> tuple[Index, int] | None:
    """The index on disk with its number, if it can be used and is not newer than `revision`."""
    for _ in range(TRIES):
        try:
            version, state = current_version(folder), current_state(folder)
            known = state.get("revision")
            if version is None or known is None or known > revision:
                return None
            index = read(folder)
        except (DamagedIndex, FileNotFoundError) as error:
            logger.warning("the index in %s is not used: %s", folder, error)
            return None
        if index.version == version == current_version(folder):
            return index, int(known)
        # Another version became current while this one was read.
    return None
