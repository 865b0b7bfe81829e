"""Visibilities (21,6,23): flux, real and imaginary parts by time, energy and detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding import masks
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.builders.energies import energy_tables, with_energies
from broker_assets.telemetry.products.builders.measured import (
    COMPRESSION_ERROR,
    Measured,
    PacketSet,
    UnbuildableProduct,
)
from broker_assets.telemetry.products.builders.science import (
    detector_masks,
    group_flags,
    measurement,
    scheme_columns,
    tenths,
    trigger_columns,
)
from broker_assets.telemetry.products.files.tables import Column, Table, take

PIXEL_MASKS = ("NIXD0407", "NIXD0444", "NIXD0445", "NIXD0446", "NIXD0447")


def visibilities(packets: PacketSet) -> list[Measured]:
    """A row per time bin; arrays are [energy, detector]. Time bins with other energies are tables of their own.

    Raises
    ------
    UnbuildableProduct
        If the packets belong to several requests, the number of detectors changes, or energies of some time bins are
        missing or appear twice.
    """
    request = measurement(packets)
    measured = Measured(request.control, {})
    request.control.update(scheme_columns(packets, "NIX00263", "NIX00242"))
    active = detector_masks(packets, request.repaired)
    count = len(active)
    energies = packets.raw("NIX00258").astype(np.int64)
    detectors = packets.raw("NIX00262").astype(np.int64)
    if len(set(detectors.tolist())) > 1:
        raise UnbuildableProduct("the number of detectors changes within the request")
    row = np.repeat(np.arange(count), energies)
    low, high = (packets.raw(name).astype(np.int64) for name in ("NIXD0016", "NIXD0017"))
    # In each row by energy, whatever the order of the stream.
    order = np.lexsort((np.maximum(low, high), np.minimum(low, high), row))
    tables = energy_tables(row, low, high, count)
    delta = packets.raw("NIX00441")
    length = packets.raw("NIX00405")
    durations = tenths(length)
    before = {
        "delta_time": Column(clock.seconds(tenths(delta)), "s", parameter="NIX00441"),
        "control_index": Column(np.zeros(count, dtype=np.int64)),
        "rcr": Column(packets.raw("NIX00401").astype(np.int64), parameter="NIX00401"),
    }
    for number, name in enumerate(PIXEL_MASKS, 1):
        before[f"pixel_mask{number}"] = Column(masks.bits(packets.raw(name), masks.PIXELS), parameter=name)
    before["detector_masks"] = Column(active, parameter="NIX00407")
    before["integration_time"] = Column(clock.seconds(durations), "s", parameter="NIX00405")
    before |= trigger_columns(packets, measured, np.arange(count), length, group_flags(active))
    after = {"time": Column(request.start + tenths(delta) + durations // 2), "timedel": Column(durations)}
    found = []
    for table, planes in enumerate(tables.groups):
        rows = np.flatnonzero(tables.of_row == table)
        if (energies[rows] != len(planes)).any():
            raise UnbuildableProduct("energies of some time bins are missing or appear twice")
        groups = order[np.isin(row[order], rows)]
        data = take(before, rows) | _values(packets, groups, len(rows), len(planes)) | take(after, rows)
        found.append(with_energies(measured, data, tables, [table], "NIXD0016,NIXD0017"))
    return found


def _values(packets: PacketSet, groups: NDArray[np.int64], rows: int, planes: int) -> Table:
    """Fluxes and visibilities of some energy groups, ordered by row and energy."""
    detectors = packets.raw("NIX00262").astype(np.int64)
    wide = int(detectors[0]) if len(detectors) else 0
    places = groups[:, None] * wide + np.arange(wide)
    shape = (rows, planes, wide)
    flux = packets.compressed("NIX00261")
    data = {
        "flux": Column(flux.values[groups].reshape(shape[:2]), parameter="NIX00261"),
        "detector_id": Column(packets.raw("NIX00100").astype(np.int64)[places].reshape(shape), parameter="NIX00100"),
    }
    for name, parameter in (("real", "NIX00263"), ("imaginary", "NIX00264")):
        column = packets.compressed(parameter)
        data[name] = Column(column.values[places].reshape(shape), parameter=parameter)
        data[f"{name}_comp_err"] = Column(column.errors[places].reshape(shape), description=COMPRESSION_ERROR)
    return data
