"""The sources of a catalogue as columns with standard names and units.

This module has the columns and their selection; `loading` reads catalogues, `store` stores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA: Final = pa.schema(
    [
        pa.field("identifier", pa.string(), metadata={"description": "Name or number of the source in its catalogue"}),
        pa.field("ra", pa.float64(), metadata={"unit": "deg", "description": "Right ascension, ICRS, at `epoch`"}),
        pa.field("dec", pa.float64(), metadata={"unit": "deg", "description": "Declination, ICRS, at `epoch`"}),
        pa.field("epoch", pa.float64(), metadata={"unit": "yr", "description": "Julian year of the position"}),
        pa.field(
            "pmra", pa.float64(), metadata={"unit": "mas/yr", "description": "Proper motion in RA, times cos dec"}
        ),
        pa.field("pmdec", pa.float64(), metadata={"unit": "mas/yr", "description": "Proper motion in declination"}),
        pa.field("kind", pa.string(), metadata={"description": "Type of the source as the catalogue gives it"}),
        pa.field("magnitude", pa.float64(), metadata={"unit": "mag", "description": "Magnitude in the filter `band`"}),
        pa.field("magnitude_error", pa.float64(), metadata={"unit": "mag", "description": "Its error"}),
        pa.field("band", pa.string(), metadata={"description": "Filter of the magnitude"}),
        pa.field("redshift", pa.float64(), metadata={"description": "Spectroscopic redshift"}),
        pa.field("redshift_error", pa.float64(), metadata={"description": "Its error"}),
        pa.field("photometric_redshift", pa.float64(), metadata={"description": "Photometric redshift"}),
        pa.field("photometric_redshift_error", pa.float64(), metadata={"description": "Its error"}),
        pa.field("distance", pa.float64(), metadata={"unit": "Mpc", "description": "Distance not based on redshift"}),
        pa.field("major_axis", pa.float64(), metadata={"unit": "arcsec", "description": "Major axis of the isophote"}),
        pa.field("axis_ratio", pa.float64(), metadata={"description": "Minor over major axis"}),
        pa.field("position_angle", pa.float64(), metadata={"unit": "deg", "description": "Of the major axis, N to E"}),
    ]
)
"""Standard columns; NaN or null where a catalogue does not give a value."""

NUMBERS: Final = tuple(field.name for field in SCHEMA if pa.types.is_float64(field.type))
TEXTS: Final = tuple(field.name for field in SCHEMA if pa.types.is_string(field.type))
REQUIRED: Final = ("identifier", "ra", "dec")


Record = TypeVar("Record", bound="DataclassInstance")


def taken(record: Record, rows: NDArray[np.int64]) -> Record:
    """Rows of a dataclass of parallel columns: arrays of numpy or Arrow, or sources, selected by their places."""
    indices = pa.array(rows)

    def of(column: Any) -> Any:
        if isinstance(column, Sources):
            return column.take(rows)
        return column.take(indices) if isinstance(column, pa.Array) else column[rows]

    return replace(record, **{item.name: of(getattr(record, item.name)) for item in fields(record)})


@dataclass(frozen=True)
class Sources:
    """Sources of one catalogue: (n,) arrays of float64 with the units of `SCHEMA`, and arrays of strings."""

    identifier: pa.Array
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    epoch: NDArray[np.float64]
    pmra: NDArray[np.float64]
    pmdec: NDArray[np.float64]
    kind: pa.Array
    magnitude: NDArray[np.float64]
    magnitude_error: NDArray[np.float64]
    band: pa.Array
    redshift: NDArray[np.float64]
    redshift_error: NDArray[np.float64]
    photometric_redshift: NDArray[np.float64]
    photometric_redshift_error: NDArray[np.float64]
    distance: NDArray[np.float64]
    major_axis: NDArray[np.float64]
    axis_ratio: NDArray[np.float64]
    position_angle: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ra)

    @classmethod
    def of(cls, table: pa.Table) -> Self:
        """Make them from a table with some of the columns of `SCHEMA`, at least `REQUIRED`; the others are unknown.

        Raises
        ------
        ValueError
            If a required column is absent, or a position is not finite or not on the sky.
        """
        missing = [name for name in REQUIRED if name not in table.column_names]
        if missing:
            raise ValueError(f"a catalogue needs the columns {', '.join(REQUIRED)}; {', '.join(missing)} is absent")
        values: dict[str, Any] = {}
        for field in SCHEMA:
            if field.name in table.column_names:
                chunks = pc.cast(table[field.name], field.type).chunks
                # A single chunk is not copied.
                column = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks or [pa.array([], field.type)])
            elif field.name in TEXTS:
                column = pa.nulls(table.num_rows, field.type)
            else:
                column = None
            if field.name in TEXTS:
                values[field.name] = column
            elif column is None or column.null_count == len(column):
                # One value that all rows share, since most catalogues leave most columns empty.
                values[field.name] = np.broadcast_to(np.nan, table.num_rows)
            else:
                values[field.name] = pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False)
        found = cls(**values)
        wrong = ~(np.isfinite(found.ra) & (np.abs(found.dec) <= 90.0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"the position of source {row} is not on the sky: ra {found.ra[row]}, dec {found.dec[row]}"
            )
        return found

    def table(self) -> pa.Table:
        """As a table with all columns of `SCHEMA`; unknown numbers are null."""
        columns = []
        for field in SCHEMA:
            values = getattr(self, field.name)
            columns.append(values if field.name in TEXTS else pa.array(values, field.type, mask=np.isnan(values)))
        return pa.Table.from_arrays(columns, schema=SCHEMA)

    def take(self, rows: NDArray[np.int64]) -> Sources:
        """Select sources by their places."""
        return taken(self, rows)

    @classmethod
    def joined(cls, parts: Sequence[Sources]) -> Self:
        """All sources of several parts, in their order."""
        values = {}
        for item in fields(cls):
            columns = [getattr(part, item.name) for part in parts]
            values[item.name] = pa.concat_arrays(columns) if item.name in TEXTS else np.concatenate(columns)
        return cls(**values)

    def at(self, epoch: float) -> Sources:
        """The sources at their positions at an epoch; those without a proper motion do not move.

        Parameters
        ----------
        epoch : float
            Julian year, e.g. 2026.5.

        Notes
        -----
        A straight line in space, across the line of sight (ESA 1997, The Hipparcos and Tycho Catalogues, volume 1,
        section 1.5.5, without parallax and radial velocity); also at the poles, where a linear motion in right
        ascension and declination is wrong by arcseconds.
        """
        years = epoch - self.epoch
        moves = np.flatnonzero(np.isfinite(years) & np.isfinite(self.pmra) & np.isfinite(self.pmdec))
        if not len(moves):
            return self
        radians = np.radians(years[moves] / 3.6e6)
        east, north = radians * self.pmra[moves], radians * self.pmdec[moves]
        sine, cosine = np.sin(np.radians(self.dec[moves])), np.cos(np.radians(self.dec[moves]))
        # Components toward the source's own meridian, the east of it, and the pole.
        out, up = cosine - north * sine, sine + north * cosine
        ra, dec = self.ra.copy(), self.dec.copy()
        moved = np.mod(self.ra[moves] + np.degrees(np.arctan2(east, out)), 360.0)
        ra[moves] = np.where(moved < 360.0, moved, 0.0)  # the remainder of a tiny negative number is rounded to 360
        dec[moves] = np.degrees(np.arctan2(up, np.hypot(out, east)))
        return replace(self, ra=ra, dec=dec)
