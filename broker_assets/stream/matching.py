"""Hits of a batch, in the transaction that writes its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.sky.areas import AreaIndex
from broker_assets.sky.batches import begin_batch
from broker_assets.sky.cones import ConeIndex
from broker_assets.sky.hits import Origin, Positions, write_area_hits, write_cone_hits, write_sky_map_hits
from broker_assets.sky.skymaps import SkyMap, read_sky_map
from broker_assets.sky.store import current_version, read_area_index, read_cone_index

CONES, AREAS = "cones", "areas"
"""Folders of the indices, below that of the platform's sky indices."""


@dataclass(frozen=True)
class HitCounts:
    """Hits written for a batch."""

    watchlists: int = 0
    areas: int = 0
    sky_maps: int = 0


@dataclass
class SkyMatcher:
    """The indices in force, looked up anew for each batch and loaded again only when they changed.

    Parameters
    ----------
    folder : Path
        Where the indices are; a missing one has nothing to match.
    """

    folder: Path
    _cones: ConeIndex | None = field(default=None, init=False)
    _areas: AreaIndex | None = field(default=None, init=False)
    _maps: dict[int, SkyMap] = field(default_factory=dict, init=False)

    def write(
        self, connection: psycopg.Connection[Any], ingestid: int | None, objects: NDArray[np.int64], nights: pa.Array
    ) -> HitCounts:
        """Match objects that have just been written, and write their hits, in the caller's transaction.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction that wrote the objects.
        ingestid : int or None
            Batch.
        objects : (n,) int64 array
            `diaobjectid`, may repeat.
        nights : (n,) date array
            Night of each alert.
        """
        begin_batch(connection)
        cones, areas, maps = self._current(connection)
        if len(objects) == 0 or not (cones or areas or maps):
            return HitCounts()
        positions = _stored_positions(connection, objects, nights.to_numpy(zero_copy_only=False))
        counts = [0, 0, 0]
        if cones is not None and len(cones):
            counts[0] = write_cone_hits(connection, cones, positions, Origin(cones.version, ingestid))
        if areas is not None and len(areas):
            counts[1] = write_area_hits(connection, areas, positions, Origin(areas.version, ingestid))
        for identifier, sky_map in maps.items():
            counts[2] += write_sky_map_hits(
                connection, identifier, sky_map, positions, Origin(sky_map.version, ingestid)
            )
        return HitCounts(*counts)

    def _current(
        self, connection: psycopg.Connection[Any]
    ) -> tuple[ConeIndex | None, AreaIndex | None, dict[int, SkyMap]]:
        version = current_version(self.folder / CONES)
        if version is not None and (self._cones is None or self._cones.version != version):
            self._cones = read_cone_index(self.folder / CONES)
        version = current_version(self.folder / AREAS)
        if version is not None and (self._areas is None or self._areas.version != version):
            self._areas = read_area_index(self.folder / AREAS)
        active = {
            row[0]
            for row in connection.execute(
                "SELECT mw_id FROM mma_areas WHERE active AND active_until > now() AND sky_map IS NOT NULL"
            )
        }
        self._maps = {number: event for number, event in self._maps.items() if number in active}
        for number in active - self._maps.keys():
            row = connection.execute("SELECT sky_map FROM mma_areas WHERE mw_id = %s", (number,)).fetchone()
            if row is not None:
                self._maps[number] = read_sky_map(row[0])
        return self._cones, self._areas, self._maps


HIT_TABLES = {"watchlist_hits": "cone_id", "area_hits": "ar_id", "sky_map_hits": "mw_id"}
"""Asset of hits by night, and what its hits are hits of."""


def hit_versions(connection: psycopg.Connection[Any], nights: Sequence[str]) -> dict[tuple[str, str], tuple[int, str]]:
    """How many hits each night has, and a version of their content, by asset and night; nights without any left out."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for asset, key in HIT_TABLES.items():
        table = "mma_area_hits" if asset == "sky_map_hits" else asset
        rows = connection.execute(
            f"SELECT night::text, count(*), sum(hashtextextended(ROW(diaobjectid, {key})::text, 0))::text"  # noqa: S608
            f" FROM {table} WHERE night = ANY(%s::date[]) GROUP BY night",
            (list(nights),),
        )
        found |= {(asset, night): (count, version) for night, count, version in rows}
    return found


def rematch_night(connection: psycopg.Connection[Any], matcher: SkyMatcher, night: str) -> HitCounts:
    """Match the objects with alerts of a night again, in one transaction."""
    with connection.transaction():
        rows = connection.execute(
            "SELECT DISTINCT diaobjectid FROM diasources WHERE night = %s AND diaobjectid <> 0", (night,)
        ).fetchall()
        objects = np.array([row[0] for row in rows], np.int64)
        nights = pa.array(np.full(len(objects), np.datetime64(night, "D")))
        return matcher.write(connection, None, objects, nights)


def _stored_positions(
    connection: psycopg.Connection[Any], objects: NDArray[np.int64], nights: NDArray[np.datetime64]
) -> Positions:
    """Positions as they stand in the table: an older alert does not move a newer object."""
    unique, last = np.unique(objects[::-1], return_index=True)
    night_of = dict(zip(unique.tolist(), nights[::-1][last], strict=True))
    rows = connection.execute(
        "SELECT diaobjectid, ra, decl FROM objects WHERE diaobjectid = ANY(%s) AND ra IS NOT NULL AND decl IS NOT NULL"
        " ORDER BY diaobjectid",
        (unique.tolist(),),
    ).fetchall()
    values = np.array(rows, dtype=[("id", np.int64), ("ra", np.float64), ("dec", np.float64)])
    found = [night_of[row[0]] for row in rows]
    return Positions(values["id"].copy(), values["ra"].copy(), values["dec"].copy(), np.array(found, "datetime64[D]"))
