"""The light curves of packets: all their points, with the few columns that features are computed from.

The decoder only reads rows in full that are not stored yet. What is computed for an alert needs every point that its
packet lists, so the pass that identifies points reads these columns, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database.point_identity import WITHDRAWN, sane_time
from broker_assets.database.tables import BANDS
from broker_assets.packets.values import Column

LIGHT_CURVE: Final = pa.schema(
    [
        pa.field("packet", pa.int64(), nullable=False),
        pa.field("forced", pa.bool_(), nullable=False),
        pa.field("midpointmjdtai", pa.float64(), nullable=False),
        pa.field("band", pa.int8(), nullable=False),
        pa.field("psfflux", pa.float32(), nullable=False),
        pa.field("reliability", pa.float32(), nullable=False),
    ]
)
"""Points of light curves: whether they are forced photometry; time, MJD TAI; place of the band in `BANDS`, −1 for
others; flux on the difference image, nJy; reliability, NaN where there is none."""

COLUMNS: Final = frozenset({"diasourceid", "midpointmjdtai", "band", "psfflux", "reliability", WITHDRAWN})
"""Columns from which a point is made."""

_BANDS: Final = pa.array(BANDS)


def light_curve(
    packets: NDArray[np.int64],
    diasourceid: NDArray[np.int64],
    sources: Sequence[dict[str, Any]],
    forced: Sequence[dict[str, Any]],
) -> pa.Table:
    """Light curves of packets from the columns of their points.

    Parameters
    ----------
    packets, diasourceid : (n,) int64 array
        Packets, ascending, and their own sources.
    sources, forced : sequence of dict
        Columns of points, `packet` among them: the packets' own sources, then those of their histories; forced points.

    Returns
    -------
    pyarrow.Table
        `LIGHT_CURVE`, the packet's own source first. Left out are points that lack a time or a flux, that the survey
        has withdrawn, or that repeat the packet's own source, and forced points after the first source.

    Examples
    --------
    >>> own = {"packet": [7], "diasourceid": [1], "midpointmjdtai": [6e4], "psfflux": [5.0], "band": ["g"]}
    >>> light_curve(np.array([7]), np.array([1]), [own, own], []).to_pylist()
    [{'packet': 7, 'forced': False, 'midpointmjdtai': 60000.0, 'band': 1, 'psfflux': 5.0, 'reliability': nan}]
    """
    first = np.full(len(packets), np.inf)
    place = np.zeros(int(packets[-1]) + 1 if len(packets) else 0, np.int64)
    place[packets] = np.arange(len(packets))
    parts = []
    for number, columns in enumerate(sources):
        points = _Points(columns)
        row = place[points.packet]
        identifiers = _integers(columns["diasourceid"])
        kept = points.usable & (identifiers != 0)
        if number:
            kept &= identifiers != diasourceid[row]
        np.minimum.at(first, row[kept], points.time[kept])
        parts.append(points.table(kept, forced=False))
    for columns in forced:
        points = _Points(columns)
        kept = points.usable & (points.time < first[place[points.packet]])
        parts.append(points.table(kept, forced=True))
    return pa.concat_tables(parts) if parts else LIGHT_CURVE.empty_table()


class _Points:
    """Columns of points as arrays."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = columns
        self.packet = _integers(columns["packet"])
        self.time = _floats(columns["midpointmjdtai"])
        self.flux = _floats(columns["psfflux"]) if "psfflux" in columns else np.full(len(self.time), np.nan)
        self.usable = sane_time(self.time) & np.isfinite(self.flux)
        if WITHDRAWN in columns:
            self.usable &= ~(_floats(columns[WITHDRAWN]) > 0)

    def table(self, kept: NDArray[np.bool_], *, forced: bool) -> pa.Table:
        """Those that are kept."""
        rows = np.flatnonzero(kept)
        if "band" in self.columns:
            names = _arrow(self.columns["band"]).take(pa.array(rows))
            bands = pc.fill_null(pc.index_in(names, _BANDS), -1).cast(pa.int8())
        else:
            bands = pa.repeat(pa.scalar(-1, pa.int8()), len(rows))
        reliable = np.full(len(rows), np.nan, np.float32)
        if "reliability" in self.columns:
            reliable = _floats(self.columns["reliability"])[rows].astype(np.float32)
        with np.errstate(over="ignore"):
            flux = self.flux[rows].astype(np.float32)
        return pa.Table.from_arrays(
            [
                pa.array(self.packet[rows]), pa.repeat(pa.scalar(forced), len(rows)), pa.array(self.time[rows]),
                bands, pa.array(flux),
                pa.array(reliable),
            ],
            schema=LIGHT_CURVE,
        )  # fmt: skip


def _arrow(column: Any) -> Column:
    return column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)


def _floats(column: Any) -> NDArray[np.float64]:
    values = pc.cast(_arrow(column), pa.float64(), safe=False)
    return np.asarray(pc.fill_null(values, np.nan).to_numpy(), np.float64)


def _integers(column: Any) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(pc.cast(_arrow(column), pa.int64()), 0).to_numpy(), np.int64)
