"""Watchlists, areas and sky maps as an enrichment: those that an alert lies in, and those that its object lies in now.

Facts belong to an alert: the position of the DIAObject in its packet, matched with the lists in force when it was
stored. They are written once, by night. State belongs to an object: its newest position, matched with the lists as they
are (`hits`). The matching happens outside the transaction; if a list changes before the results are written, the batch
is matched again under the lock of batches, which costs milliseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.accounting import facts
from broker_assets.accounting.facts import AlertBatch, Computed, FactTable, Written
from broker_assets.database.tables import area_facts, sky_map_facts, watchlist_facts
from broker_assets.provenance.revisions import current_revision
from broker_assets.sky.hits import (
    MATCHING_VERSION,
    Origin,
    Positions,
    store_area_hits,
    store_cone_hits,
    store_sky_map_hits,
)
from broker_assets.sky.in_force import ListsInForce, Matches, base_versions, lists_at

WATCHLISTS = FactTable(
    "watchlist_facts", watchlist_facts, "Alerts inside a cone of a watchlist when they arrived.", ("cone_index",)
)
AREAS = FactTable("area_facts", area_facts, "Alerts inside areas when they arrived, one row each.", ("area_index",))
SKY_MAPS = FactTable(
    "sky_map_facts", sky_map_facts, "Alerts inside the 90 per cent region of a sky map when they arrived."
)

KEPT = 3
"""Numbers whose lists stay in memory, sharing the indices. A reprocessed night steps from each number to the next."""

POSITIONS = "positions"
"""Table of the positions that were matched; `row` of the other tables numbers its rows."""


@dataclass
class SkyMatching:
    """Matches alerts with all lists.

    Parameters
    ----------
    folder : Path
        Folder of the sky indices; where they are missing or behind, the database is read instead.
    """

    folder: Path
    name: str = field(default="sky", init=False)
    version: str = field(default=MATCHING_VERSION, init=False)
    reads: tuple[str, ...] = field(default=(), init=False)
    facts: tuple[FactTable, ...] = field(default=(WATCHLISTS, AREAS, SKY_MAPS), init=False)
    _known: list[ListsInForce] = field(default_factory=list, init=False)
    _bases: tuple[str | None, str | None] = field(default=(None, None), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def inputs(self) -> Mapping[str, str]:
        """Versions of the indices on disk."""
        cones, areas = base_versions(self.folder)
        return {name: version for name, version in (("cone_index", cones), ("area_index", areas)) if version}

    def compute(self, batch: AlertBatch, earlier: Mapping[str, pa.Table]) -> Computed:
        """Match the alerts of a batch."""
        revision = current_revision(batch.connection) if batch.revision is None else batch.revision
        positions = _positions(batch.alerts)
        matches = _matched(self._at(batch.connection, revision), positions)
        return Computed(_tables(positions, matches), revision)

    def write(self, computed: Computed, written: Written) -> dict[str, pa.Table]:
        """Write the facts of alerts that were stored, and the hits of objects that moved.

        Returns
        -------
        dict of str to pyarrow.Table
            Facts that were written, by asset.
        """
        positions = computed.tables[POSITIONS]
        packets = positions["packet"].to_numpy()
        matches = _of_tables(computed.tables)
        if computed.revision != written.facts_revision:
            matches = _matched(self._at(written.connection, written.facts_revision), positions)
        rows = _fact_rows(positions, matches, np.isin(packets, written.stored))
        for table in self.facts:
            facts.insert(written.connection, table, rows[table.asset], written.ingestid)
        if len(written.newest):
            if written.facts_revision != written.revision:
                matches = _matched(self._at(written.connection, written.revision), positions)
            self._write_state(positions, matches, written)
        return rows

    def matches(self, connection: psycopg.Connection[Any], alerts: pa.Table, revision: int) -> Matches:
        """Match alerts as of a number of the counter of changes.

        Parameters
        ----------
        connection : psycopg.Connection
            To read lists with.
        alerts : (n,) pyarrow.Table
            `ra`, `decl` (ICRS, degrees) and `midpointmjdtai` of each.
        revision : int
            The number.

        Returns
        -------
        Matches
            `row` numbers `alerts`; an alert without a position matches nothing.
        """
        place = np.flatnonzero(_usable(alerts))
        found = _matched(self._at(connection, revision), alerts.take(pa.array(place)))
        return Matches(*(_moved(table, place) for table in (found.cones, found.areas, found.sky_maps)))

    def _write_state(self, positions: pa.Table, matches: Matches, written: Written) -> None:
        chosen = np.flatnonzero(np.isin(positions["packet"].to_numpy(), written.newest))
        objects = _objects(positions.take(pa.array(chosen)))
        place = np.full(len(positions), -1, np.int64)
        place[chosen] = np.arange(len(chosen))
        version = self._at(written.connection, written.revision).cones.version
        origin = Origin(version, written.ingestid)
        for store, table in (
            (store_cone_hits, matches.cones),
            (store_area_hits, matches.areas),
            (store_sky_map_hits, matches.sky_maps),
        ):
            store(written.connection, objects, _renumbered(table, place), origin)

    def _at(self, connection: psycopg.Connection[Any], revision: int) -> ListsInForce:
        """The lists in force at a number, stepping on from those of a smaller one where they are known."""
        with self._lock:
            bases = base_versions(self.folder)
            if bases != self._bases:  # newer indices are on disk: fewer changes must be applied on top of them
                self._known, self._bases = [item for item in self._known if item.revision == revision], bases
            known = [item for item in self._known if item.revision <= revision]
            newest = max(known, key=lambda item: item.revision, default=None)
            if newest is not None and newest.revision == revision:
                return newest
            found = (
                lists_at(connection, self.folder, revision) if newest is None else newest.advanced(connection, revision)
            )
            self._known = [found, *self._known][:KEPT]
            return found


def _positions(alerts: pa.Table) -> pa.Table:
    """Alerts whose object has a position on the sky."""
    return alerts.filter(_usable(alerts))


def _usable(alerts: pa.Table) -> pa.ChunkedArray:
    usable = pc.and_(pc.is_finite(alerts["ra"]), pc.less_equal(pc.abs(alerts["decl"]), 90.0))
    return pc.fill_null(usable, False)


def _moved(matches: pa.Table, place: NDArray[np.int64]) -> pa.Table:
    """Matches with their rows renumbered by `place`."""
    return matches.set_column(0, "row", pa.array(place[matches["row"].to_numpy()]))


def _matched(lists: ListsInForce, positions: pa.Table) -> Matches:
    ra, dec = positions["ra"].to_numpy(), positions["decl"].to_numpy()
    return lists.match(ra, dec, positions["midpointmjdtai"].to_numpy())


def _tables(positions: pa.Table, matches: Matches) -> dict[str, pa.Table]:
    return {
        POSITIONS: positions,
        WATCHLISTS.asset: matches.cones,
        AREAS.asset: matches.areas,
        SKY_MAPS.asset: matches.sky_maps,
    }


def _of_tables(tables: Mapping[str, pa.Table]) -> Matches:
    return Matches(tables[WATCHLISTS.asset], tables[AREAS.asset], tables[SKY_MAPS.asset])


def _renumbered(matches: pa.Table, place: NDArray[np.int64]) -> pa.Table:
    """Matches of the rows that have a place, renumbered to it."""
    row = place[matches["row"].to_numpy()]
    kept = row >= 0
    return matches.set_column(0, "row", pa.array(row)).filter(pa.array(kept))


def _objects(positions: pa.Table) -> Positions:
    return Positions(
        positions["diaobjectid"].to_numpy(),
        positions["ra"].to_numpy(),
        positions["decl"].to_numpy(),
        positions["night"].to_numpy().astype("datetime64[D]"),
        positions["midpointmjdtai"].to_numpy(),
    )


def _fact_rows(positions: pa.Table, matches: Matches, stored: NDArray[np.bool_]) -> dict[str, pa.Table]:
    """The facts of the alerts that were stored."""
    keys = positions.select(["diaobjectid", "diasourceid", "night"])

    def of(table: pa.Table, columns: Sequence[str]) -> pa.Table:
        chosen = table if stored.all() else table.filter(pa.array(stored[table["row"].to_numpy()]))
        rows = keys.take(chosen["row"])
        for name in columns:
            rows = rows.append_column(name, chosen[name])
        return rows

    maps = [column.name for column in sky_map_facts.c if column.name in matches.sky_maps.column_names]
    return {
        WATCHLISTS.asset: of(matches.cones, ["cone_id", "arcsec"]),
        AREAS.asset: _with_lists(keys, matches.areas, stored),
        SKY_MAPS.asset: of(matches.sky_maps, maps),
    }


def _with_lists(keys: pa.Table, areas: pa.Table, stored: NDArray[np.bool_]) -> pa.Table:
    """One row per alert with the areas that hold it; matches are ordered by row and area."""
    row = areas["row"].to_numpy()
    kept = stored[row]
    row, area = row[kept], areas["ar_id"].to_numpy()[kept]
    rows, starts = np.unique(row, return_index=True)
    offsets = pa.array(np.append(starts, len(row)), pa.int32())
    lists = pa.ListArray.from_arrays(offsets, pa.array(area, pa.int64()))
    return keys.take(pa.array(rows)).append_column("ar_ids", lists)
