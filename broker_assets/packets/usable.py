"""What of the rows of packets makes sense: the same for all surveys, and after every adapter.

A row needs its keys, and a point a time that is a modified Julian date: a Julian date, Unix seconds or milliseconds,
zero and infinity are none. The stream stores only points within `MJD_MINIMUM` and `MJD_MAXIMUM` besides.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database.point_identity import MJD_MAXIMUM
from broker_assets.packets.surveys.adapter import as_float
from broker_assets.packets.tables import SCHEMAS

MIDPOINT = "midpointmjdtai"


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
        Without rows that lack a key or a time; what is no time in other columns is null.

    Raises
    ------
    UnusableSource
        If the row of a packet's own source would be left out.
    """
    kept: NDArray[np.bool_] | None = None
    for column in SCHEMAS[name]:
        if column.name not in rows.column_names:
            good = None if column.nullable else np.zeros(rows.num_rows, np.bool_)
        elif column.name == MIDPOINT:
            good = _is_mjd(as_float(rows[MIDPOINT]))
        elif not column.nullable and rows[column.name].null_count:
            good = np.asarray(pc.is_valid(rows[column.name]))
        else:
            if column.name.endswith("mjdtai"):
                rows = _with_sane_times(name, rows, column.name, omitted)
            continue
        if good is None or good.all():
            continue
        reason = f"{name}: without a valid {column.name}"
        if name == "source" and (~good & np.asarray(rows["trigger"])).any():
            raise UnusableSource(f"the source of the packet: {column.name} is missing or not valid")
        omitted[reason] += int((~good if kept is None else kept & ~good).sum())
        kept = good if kept is None else kept & good
    return rows if kept is None else rows.filter(pa.array(kept))


def _is_mjd(times: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (times > 0) & (times <= MJD_MAXIMUM)


def _with_sane_times(name: str, rows: pa.Table, column: str, omitted: Counter[str]) -> pa.Table:
    times = as_float(rows[column])
    damaged = ~_is_mjd(times) & ~np.isnan(times)
    if not damaged.any():
        return rows
    lost = int((damaged & (times != 0)).sum())  # zero is what surveys write where there is no time
    if lost:
        omitted[f"{name}.{column}: no modified Julian date"] += lost
    place = rows.column_names.index(column)
    return rows.set_column(place, column, pc.if_else(pa.array(damaged), None, rows[column]))
