"""Which rows and values of packets are usable: the same for all surveys, after every adapter.

A row needs its keys, and a point a time that is a plausible modified Julian date: not a Julian date, Unix seconds or
milliseconds, zero or infinity. In addition, the stream stores only points within `MJD_MINIMUM` and `MJD_MAXIMUM`.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database.point_identity import MJD_MAXIMUM
from broker_assets.packets.surveys.adapter import as_float
from broker_assets.packets.tables import SCHEMAS

MIDPOINT: Final = "midpointmjdtai"

_KEYS: Final = {name: [field.name for field in schema if not field.nullable] for name, schema in SCHEMAS.items()}
_TIMES: Final = {
    name: [field.name for field in schema if field.nullable and field.name.endswith("mjdtai")]
    for name, schema in SCHEMAS.items()
}


class UnusableSource(ValueError):
    """The source of a packet itself cannot be stored."""


def usable(name: str, rows: pa.Table, omitted: Counter[str]) -> pa.Table:
    """The rows of an internal table that can be stored.

    Parameters
    ----------
    name : str
        Internal table.
    rows : Table
        Its rows, as an adapter made them.
    omitted : Counter
        Counts rows and values that are left out, by reason.

    Returns
    -------
    Table
        Without rows that lack a key or a time; invalid times in other columns are null, as is NaN.

    Raises
    ------
    UnusableSource
        If the row of a packet's own source would be left out.
    """
    names = set(rows.column_names)
    kept = np.ones(rows.num_rows, np.bool_)
    for key in _KEYS[name]:
        if key not in names:
            good = np.zeros(rows.num_rows, np.bool_)
        elif key == MIDPOINT:
            good = _is_mjd(as_float(rows[MIDPOINT]))
        elif rows[key].null_count:
            good = np.asarray(pc.is_valid(rows[key]))
        else:
            continue
        if good.all():
            continue
        if name == "source" and (~good & np.asarray(rows["trigger"])).any():
            raise UnusableSource(f"the source of the packet: {key} is missing or not valid")
        omitted[f"{name}: without a valid {key}"] += int((kept & ~good).sum())
        kept &= good
    for column in _TIMES[name]:
        if column in names:
            rows = _with_sane_times(name, rows, column, omitted)
    return rows if kept.all() else rows.filter(pa.array(kept))


def _is_mjd(times: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (times > 0) & (times <= MJD_MAXIMUM)


def _with_sane_times(name: str, rows: pa.Table, column: str, omitted: Counter[str]) -> pa.Table:
    times = as_float(rows[column])
    unknown = np.isnan(times)
    damaged = ~_is_mjd(times) & ~unknown
    if not damaged.any() and np.count_nonzero(unknown) == rows[column].null_count:
        return rows
    lost = int((damaged & (times != 0)).sum())  # surveys write zero where there is no time
    if lost:
        omitted[f"{name}.{column}: no modified Julian date"] += lost
    place = rows.column_names.index(column)
    # NaN is how some packets write null; a point that was withdrawn at NaN was not withdrawn.
    return rows.set_column(place, column, pc.if_else(pa.array(damaged | unknown), None, rows[column]))
