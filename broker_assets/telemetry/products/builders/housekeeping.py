"""Housekeeping, and the default product of every other packet kind: parameters as columns, named by description."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding.results import DecodedColumn
from broker_assets.telemetry.products.builders.measured import Measured, PacketSet
from broker_assets.telemetry.products.builders.quicklook import packet_control
from broker_assets.telemetry.products.files.tables import Column, Table

PHOTO_DIODES = frozenset({"NIX00078", "NIX00079", "NIX00080", "NIX00081"})
ACCUMULATED = "accumulated over time from last report (reference is time bin end)"
STRUCTURE_COUNTERS = ("NIX00103", "NIX00104")
"""Counters of diagnostic reports: their packets become array columns throughout."""


def column_name(description: str) -> str:
    """Name of a column from the description of its parameter.

    Examples
    --------
    >>> column_name("SPW1 - power status")
    'spw1-power_status'
    """
    return description.lower().replace(" ", "_").replace("_-_", "-")


def _times(packets: PacketSet) -> Table:
    return {
        "time": Column(packets.decoded.headers.scet),
        "timedel": Column(np.zeros(len(packets), dtype=np.int64)),
    }


def _parameter(column: DecodedColumn, values: NDArray[Any], engineering: NDArray[Any] | None) -> Column:
    name = column.name.split(":")[0]
    description = ACCUMULATED if name in PHOTO_DIODES else ""
    calibration = None if engineering is None else column.calibration
    return Column(values, "", description, name, calibration, engineering, column.unit_out or "")


def housekeeping(packets: PacketSet) -> Measured:
    """(3,25,1) and (3,25,2): one row per report, raw values in the order of the layout."""
    data = _times(packets)
    for column in packets.decoded.columns.values():
        if column.name != "NIX00020" and not column.name.startswith("NIXG"):
            data[column_name(column.description)] = _parameter(column, column.raw.astype(np.int64), column.value)
    data["control_index"] = Column(np.arange(len(packets), dtype=np.int64))
    return Measured(packet_control(packets), data)


def default(packets: PacketSet) -> Measured:
    """Any other packet kind: one row per packet, all parameters that the first packet has."""
    data = _times(packets)
    first = packets.decoded.packet(0)
    arrays = any(name in first.columns for name in STRUCTURE_COUNTERS)
    for column in first.columns.values():
        engineering = column.value if column.kind == "engineering" else None
        values = _integers(column.raw)
        if column.depth > 0 or arrays:
            values = _rows(column, values)
            engineering = None if engineering is None else _rows(column, engineering)
        data[column_name(column.description)] = _parameter(column, values, engineering)
    data["control_index"] = Column(np.arange(len(packets), dtype=np.int64))
    return Measured(packet_control(packets), data)


def _integers(raw: NDArray[Any]) -> NDArray[Any]:
    """64-bit integers; longer ones as hexadecimal text."""
    if raw.dtype == object:
        return np.array([f"{value:x}" for value in raw])
    return raw.astype(np.int64)


def _rows(column: DecodedColumn, values: NDArray[Any]) -> NDArray[Any]:
    """Values of each packet as a row, shorter ones filled with zeros."""
    lengths = np.diff(column.offsets)
    found = np.zeros((len(lengths), max(1, int(lengths.max(initial=0)))), dtype=values.dtype)
    for row in range(len(lengths)):
        part = values[column.of(row)]
        found[row, : len(part)] = part
    return found
