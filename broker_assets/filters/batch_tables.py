"""The published tables for each alert of a batch, as Arrow tables for the engine.

`objects` has the object from the alert's packet, with the features and the context that were computed for the alert;
hits are those of the alert; TNS, annotations and links are those in the database as of the batch's number of the change
counter. Each row names the alert to which it belongs. Nothing here depends on other alerts: later alerts of an object,
in the batch or stored, change no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from broker_assets.accounting.facts import AlertBatch
from broker_assets.database import tables as declared
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.fetch import fetch
from broker_assets.filters.schema import ALERT, BASE, NOW, TABLES
from broker_assets.sky.htm import htm
from broker_assets.sky.in_force import Matches

READS: Final = (
    *("watchlist_facts", "area_facts", "sky_map_facts"),
    *("context_matches", "object_features", "class_scores"),
)
"""Tables of earlier enrichments that filters can read."""

Columns = Mapping[str, Iterable[str]]
"""Columns that are needed, by published table; `objects` is always built."""

_KEYS: Final = ("packet", "diaobjectid", "diasourceid", "night", "midpointmjdtai", "ra", "decl")
_OF_PACKETS: Final = {"sssources": "solar_system_source", "ssobjects": "solar_system_object", "mpc_orbits": "orbit"}
"""Published tables that come directly from tables of the packets."""
_NOT_STATE: Final = frozenset({"lastdiasourcemjdtai"})
"""Features that the object in the packet has itself, as in the stored row of the object."""


def alerts_of(batch: AlertBatch) -> pa.Table:
    """The alerts of a batch that filters see, one row each, in the order of the packets.

    Of several packets with the same source the first counts, as for stored rows.
    """
    alerts = batch.alerts.select(list(_KEYS))
    _, first = np.unique(alerts["diasourceid"].to_numpy(), return_index=True)
    return alerts if len(first) == len(alerts) else alerts.take(pa.array(np.sort(first)))


@dataclass
class BatchTables:
    """The tables of one batch.

    Parameters
    ----------
    batch : AlertBatch
        The batch.
    earlier : mapping of str to pyarrow.Table
        Tables of earlier enrichments (`READS`); those that are missing have no rows.
    columns : mapping of str to iterable of str
        Columns that are needed.
    """

    batch: AlertBatch
    earlier: Mapping[str, pa.Table]
    columns: Columns
    alerts: pa.Table = field(init=False)
    """See `alerts_of`."""
    _fixed: dict[str, pa.Table] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.alerts = alerts_of(self.batch)

    def of_packets(self) -> dict[str, pa.Table]:
        """The tables that follow from the packets and the facts of earlier enrichments, without the TNS name."""
        if not self._fixed:
            self._fixed[BASE] = self._objects()
            for name in self.columns:
                if name == "sherlock_classifications":
                    self._fixed[name] = self._context()
                elif name == "object_classes":
                    self._fixed[name] = self._scores()
                elif name in _OF_PACKETS:
                    self._fixed[name] = self._solar_system(name)
        return self._fixed

    def at(self, connection: psycopg.Connection[Any], revision: int, matches: Matches) -> dict[str, pa.Table]:
        """All tables as of a number of the change counter.

        Parameters
        ----------
        connection : psycopg.Connection
            To read with.
        revision : int
            The number.
        matches : Matches
            What `alerts` match at that number.

        Returns
        -------
        dict of str to pyarrow.Table
            By published name.
        """
        found = dict(self.of_packets())
        names = set(self.columns)
        if "watchlist_hits" in names:
            found["watchlist_hits"] = self._hits("watchlist_hits", matches.cones)
        if "area_hits" in names:
            found["area_hits"] = self._hits("area_hits", matches.areas)
        if "notice_events" in names:
            found["notice_events"] = self._events(connection, matches.cones)
        if "mma_area_hits" in names:
            found["mma_area_hits"] = self._hits("mma_area_hits", matches.sky_maps)
        named = "tns_name" in set(self.columns.get(BASE, ()))
        if named or "crossmatch_tns" in names:
            near = self._near_tns(connection, matches)
            if named:
                found[BASE] = _with_names(found[BASE], near)
            if "crossmatch_tns" in names:
                found["crossmatch_tns"] = self._tns(connection, near, revision)
        if "annotations" in names:
            found["annotations"] = self._annotations(connection, revision)
        for name, history in _HISTORIES.items():
            if name in names:
                found[name] = self._held(connection, name, history, revision)
        return found

    def _wanted(self, name: str) -> pa.Schema:
        """Columns of a published table that are needed, with their types."""
        source = _SOURCES[name]
        wanted = [item for item in TABLES[name].columns if item in set(self.columns.get(name, ())) and item in source.c]
        schema = arrow_schema(source)
        return pa.schema([schema.field(item).with_nullable(True) for item in wanted])

    def _objects(self) -> pa.Table:
        packets = self.alerts["packet"].to_numpy()
        said = self.batch.tables["object"]
        of_object = _one_each(said, packets)
        features = self.earlier.get("object_features")
        of_features = None if features is None else _one_each(features, packets)
        columns: dict[str, pa.ChunkedArray | pa.Array] = {
            ALERT: self.alerts["diasourceid"],
            NOW: self.alerts["midpointmjdtai"].cast(pa.float64()),
            "diaobjectid": self.alerts["diaobjectid"],
        }
        for item in self._wanted(BASE):
            if item.name in columns:
                continue
            if features is not None and item.name in features.column_names and item.name not in _NOT_STATE:
                values = features[item.name].take(of_features)
            elif item.name == "htm16":
                values = _trixels(self.alerts)
            elif item.name == "lastforcedmjdtai":
                values = self._last_forced()
            elif item.name in said.column_names:
                values = said[item.name].take(of_object)
            else:
                values = pa.nulls(len(packets), item.type)
            columns[item.name] = values.cast(item.type)
        return pa.table(columns)

    def _last_forced(self) -> pa.Array:
        """Time of the newest forced point that each packet lists."""
        found = np.full(len(self.alerts), -np.inf)
        points = self.batch.tables.get("light_curve")
        if points is not None and points.num_rows:
            forced = points.filter(points["forced"])
            place = _places(self.alerts["packet"].to_numpy(), forced["packet"].to_numpy().astype(np.int64))
            np.maximum.at(found, place[place >= 0], forced["midpointmjdtai"].to_numpy()[place >= 0])
        return pa.array(found, mask=np.isinf(found))

    def _context(self) -> pa.Table:
        name = "sherlock_classifications"
        found = self.earlier.get("context_matches")
        keys, rows = self._of_alerts(found)
        columns: dict[str, Any] = {ALERT: keys["diasourceid"], "diaobjectid": keys["diaobjectid"]}
        schema = arrow_schema(declared.associations)
        for item in TABLES[name].columns:
            if item not in set(self.columns[name]) or item == "diaobjectid":
                continue
            stored = "best_distance" if item == "distance" else item
            if rows is not None and stored in rows.column_names:
                columns[item] = rows[stored]
            elif item == "additional_output":
                texts = [f"/api/objects/{identifier}/context" for identifier in keys["diaobjectid"].to_pylist()]
                columns[item] = pa.array(texts, pa.string())
            else:
                kind = schema.field(stored).type if stored in schema.names else pa.string()
                columns[item] = pa.nulls(len(keys), kind)
        return pa.table(columns)

    def _scores(self) -> pa.Table:
        keys, rows = self._of_alerts(self.earlier.get("class_scores"))
        return self._with_keys("object_classes", keys, rows)

    def _solar_system(self, name: str) -> pa.Table:
        """For each alert, what its packet says about a known solar-system object."""
        keys, rows = self._of_alerts(self.batch.tables.get(_OF_PACKETS[name]))
        return self._with_keys(name, keys, rows)

    def _of_alerts(self, rows: pa.Table | None) -> tuple[pa.Table, pa.Table | None]:
        """The alerts of rows with `packet`, and these rows; those of other packets are left out."""
        if rows is None:
            return self.alerts.slice(0, 0), None
        place = _places(self.alerts["packet"].to_numpy(), rows["packet"].to_numpy().astype(np.int64))
        kept = place >= 0
        return self.alerts.take(pa.array(place[kept])), rows.filter(pa.array(kept))

    def _hits(self, name: str, matches: pa.Table) -> pa.Table:
        return self._with_keys(name, self.alerts.take(matches["row"]), matches)

    def _with_keys(self, name: str, keys: pa.Table, rows: pa.Table | None) -> pa.Table:
        """Rows with the names and types of a published table; missing columns are null."""
        columns: dict[str, Any] = {ALERT: keys["diasourceid"]}
        wanted = set(self.columns[name])
        if "diaobjectid" in wanted and "diaobjectid" in TABLES[name].columns:
            columns["diaobjectid"] = keys["diaobjectid"]
        for item in self._wanted(name):
            if item.name in columns:
                continue
            if rows is not None and item.name in rows.column_names:
                columns[item.name] = rows[item.name].cast(item.type)
            elif item.name in ("diasourceid", "night"):
                columns[item.name] = keys[item.name].cast(item.type)
            else:
                columns[item.name] = pa.nulls(len(keys), item.type)
        return pa.table(columns)

    def _near_tns(self, connection: psycopg.Connection[Any], matches: Matches) -> pa.Table:
        """Hits of the watchlist of TNS: `row`, `name`, `arcsec`."""
        cones = matches.cones
        if not cones.num_rows:
            return _NO_NAMES
        found = connection.execute(
            "SELECT wl_id FROM watchlists WHERE owner = 'system' AND name = '__TNS__'"
        ).fetchone()
        if found is None:
            return _NO_NAMES
        return cones.filter(pc.equal(cones["wl_id"], found[0])).select(["row", "name", "arcsec"])

    def _tns(self, connection: psycopg.Connection[Any], near: pa.Table, revision: int) -> pa.Table:
        """Objects of TNS, as of a number, with the alerts that are near them."""
        name = "crossmatch_tns"
        wanted = self._wanted(name)
        schema = pa.schema([*wanted, *([] if "tns_name" in wanted.names else [pa.field("tns_name", pa.string())])])
        rows = schema.empty_table()
        if near.num_rows:
            query = sql.SQL("SELECT {} FROM crossmatch_tns_history WHERE tns_name = ANY({}) AND {}").format(
                sql.SQL(", ").join(map(sql.Identifier, schema.names)),
                sql.Literal(near["name"].unique().to_pylist()),
                _held(revision),
            )
            rows = fetch(connection, query, schema)
        return self._beside(name, near, "name", rows, "tns_name")

    def _events(self, connection: psycopg.Connection[Any], cones: pa.Table) -> pa.Table:
        """Events of notices with the alerts inside their circles; the description of a cone never changes."""
        name = "notice_events"
        wanted = self._wanted(name)
        schema = pa.schema([*wanted, *([] if "cone_id" in wanted.names else [pa.field("cone_id", pa.int64())])])
        rows = schema.empty_table()
        if cones.num_rows:
            query = sql.SQL("SELECT {} FROM notice_events WHERE cone_id = ANY({})").format(
                sql.SQL(", ").join(map(sql.Identifier, schema.names)),
                sql.Literal(cones["cone_id"].unique().to_pylist()),
            )
            rows = fetch(connection, query, schema)
        return self._beside(name, cones, "cone_id", rows, "cone_id")

    def _beside(self, name: str, hits: pa.Table, hit_key: str, rows: pa.Table, key: str) -> pa.Table:
        """Rows of a published table with the alerts that are hits of them by a key, and the separation."""
        place = pc.index_in(hits[hit_key], value_set=rows[key].combine_chunks())
        known = hits.filter(pc.is_valid(place))
        taken = rows.take(place.drop_null())
        table = self._with_keys(name, self.alerts.take(known["row"]), taken)
        return table.append_column("arcsec", known["arcsec"]) if "arcsec" in set(self.columns[name]) else table

    def _annotations(self, connection: psycopg.Connection[Any], revision: int) -> pa.Table:
        """The newest annotation from each annotator about the objects of the batch, as of a number."""
        name = "annotations"
        names = [item for item in TABLES[name].columns if item in set(self.columns[name]) and item != "diaobjectid"]
        kinds = {"annotationid": pa.int64(), "timestamp": pa.timestamp("us", tz="UTC")}
        schema = pa.schema([("diaobjectid", pa.int64()), *((item, kinds.get(item, pa.string())) for item in names)])
        selected = [
            sql.SQL("classdict::text") if item == "classdict" else sql.Identifier(item) for item in schema.names
        ]
        query = sql.SQL(
            "SELECT {} FROM annotation_history WHERE diaobjectid = ANY({}) AND {} ORDER BY annotationid"
        ).format(
            sql.SQL(", ").join(selected),
            sql.Literal(self.alerts["diaobjectid"].unique().to_pylist()),
            _held(revision),
        )
        return self._of_objects(name, fetch(connection, query, schema))

    def _held(self, connection: psycopg.Connection[Any], name: str, history: str, revision: int) -> pa.Table:
        """Rows about the objects of the batch that were valid at a number."""
        wanted = self._wanted(name)
        schema = pa.schema([("diaobjectid", pa.int64()), *(item for item in wanted if item.name != "diaobjectid")])
        query = sql.SQL("SELECT {} FROM {} WHERE diaobjectid = ANY({}) AND {} ORDER BY {}").format(
            sql.SQL(", ").join(map(sql.Identifier, schema.names)),
            sql.Identifier(history),
            sql.Literal(self.alerts["diaobjectid"].unique().to_pylist()),
            _held(revision),
            sql.SQL(", ").join(map(sql.Identifier, _SOURCES[name].primary_key.columns.keys())),
        )
        return self._of_objects(name, fetch(connection, query, schema))

    def _of_objects(self, name: str, rows: pa.Table) -> pa.Table:
        """Rows of objects, once for each alert of the object."""
        identifiers = self.alerts["diaobjectid"].to_numpy()
        order = np.argsort(identifiers, kind="stable")
        asked = rows["diaobjectid"].to_numpy()
        begin = np.searchsorted(identifiers[order], asked, "left")
        number = np.searchsorted(identifiers[order], asked, "right") - begin
        row = np.repeat(np.arange(len(asked)), number)
        within = np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number)
        keys = self.alerts.take(pa.array(order[np.repeat(begin, number) + within]))
        taken = rows.take(pa.array(row))
        columns: dict[str, Any] = {ALERT: keys["diasourceid"]}
        for item in TABLES[name].columns:
            if item in set(self.columns[name]):
                columns[item] = taken[item]
        return pa.table(columns)


_SOURCES: Final = {
    "objects": declared.objects,
    "crossmatch_tns": declared.crossmatch_tns,
    "watchlist_hits": declared.watchlist_hits,
    "notice_events": declared.notice_events,
    "area_hits": declared.area_hits,
    "mma_area_hits": declared.mma_area_hits,
    "object_classes": declared.object_classes,
    "object_link": declared.object_link,
    "contradictions": declared.contradictions,
    "sssources": declared.sssources,
    "ssobjects": declared.ssobjects,
    "mpc_orbits": declared.mpc_orbits,
}
"""Declarations of published tables, with the types of their columns."""

_HISTORIES: Final = {"object_link": "object_link_history", "contradictions": "contradictions_history"}
"""Published tables of which each batch reads the rows that were valid at its number."""

_NO_NAMES: Final = pa.table(
    {"row": pa.array([], pa.int64()), "name": pa.array([], pa.string()), "arcsec": pa.array([], pa.float64())}
)


def _held(revision: int) -> sql.Composed:
    """Condition for rows of a history that were valid at a number."""
    return sql.SQL("revision_from <= {0} AND (revision_to IS NULL OR revision_to > {0})").format(sql.Literal(revision))


def _places(known: np.ndarray[Any, Any], asked: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Index of packets among known ones, which ascend; −1 where a packet is unknown."""
    if not len(known):
        return np.full(len(asked), -1, np.int64)
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[place] == asked, place, -1)


def _one_each(rows: pa.Table, packets: np.ndarray[Any, Any]) -> pa.Array:
    """The row of each packet, null where it has none."""
    known = rows["packet"].to_numpy().astype(np.int64)
    order = np.argsort(known, kind="stable")
    place = _places(known[order], packets)
    at = order[np.maximum(place, 0)] if len(order) else np.zeros(len(packets), np.int64)
    return pa.array(at, mask=place < 0)


def _trixels(alerts: pa.Table) -> pa.Array:
    """HTM trixels of the positions; null where there is none."""
    ra = pc.fill_null(alerts["ra"], np.nan).to_numpy()
    dec = pc.fill_null(alerts["decl"], np.nan).to_numpy()
    known = np.isfinite(ra) & (np.abs(dec) <= 90.0)
    values = np.zeros(len(ra), np.int64)
    values[known] = htm(ra[known], dec[known])
    return pa.array(values, mask=~known)


def _with_names(objects: pa.Table, near: pa.Table) -> pa.Table:
    """`objects` with the name of the nearest object of TNS."""
    names = np.full(objects.num_rows, None, object)
    # The farthest first, so that the nearest remains; of equally near ones the first by name.
    ordered = near.sort_by([("arcsec", "descending"), ("name", "descending")])
    names[ordered["row"].to_numpy()] = ordered["name"].to_numpy()
    at = objects.schema.get_field_index("tns_name")
    return objects.set_column(at, "tns_name", pa.array(names, pa.string()))
