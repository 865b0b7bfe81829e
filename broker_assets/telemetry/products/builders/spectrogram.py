"""Spectrograms (21,6,24): counts of all detectors by time and energy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding import masks
from broker_assets.telemetry.products.builders.energies import EnergyTables, energy_tables, with_energies
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
from broker_assets.telemetry.products.files.tables import Column, take


def spectrogram(packets: PacketSet) -> list[Measured]:
    """Counts by time bin; a bin ends where the next of its block begins, the last of a block at its closing time.

    Blocks with a different number of energies become separate tables; different energies of the same number are marked.

    Raises
    ------
    UnbuildableProduct
        If the packets belong to several requests, or the time bins of a block do not follow one another or differ in
        their number of energies.
    """
    request = measurement(packets)
    measured = Measured(request.control, {})
    counts = packets.compressed("NIX00268")
    request.control.update(scheme_columns(packets, "NIX00268", "NIX00267"))
    blocks = detector_masks(packets, request.repaired)
    distinct = np.unique(blocks, axis=0)
    request.control["detector_masks"] = Column(
        distinct[:1] if len(distinct) == 1 else distinct[None], parameter="NIX00407"
    )
    samples = packets.raw("NIX00089").astype(np.int64)
    block = np.repeat(np.arange(len(samples)), samples)
    deltas = packets.raw("NIX00441").astype(np.int64)
    total = len(deltas)
    length = np.append(np.diff(deltas), 0)
    ends = np.cumsum(samples) - 1
    length[ends[samples > 0]] = packets.raw("NIX00269").astype(np.int64)[samples > 0]
    if (length < 0).any():
        raise UnbuildableProduct("time bins of a block do not follow one another")
    durations = tenths(length)
    groups = group_flags(blocks).sum(axis=1, dtype=np.int64)[block]
    before = {
        "time": Column(request.start + tenths(deltas) + durations // 2),
        "timedel": Column(durations),
        **trigger_columns(packets, measured, np.arange(total), length, groups, ("NIX00267",)),
        "rcr": Column(packets.raw("NIX00401").astype(np.uint8)[block], parameter="NIX00401"),
        "pixel_masks": Column(masks.bits(packets.raw("NIXD0407"), masks.PIXELS)[block], parameter="NIXD0407"),
    }
    energies = packets.raw("NIX00270").astype(np.int64)
    if (energies != energies[ends[block]]).any():
        raise UnbuildableProduct(f"time bins differ in their number of energies: {np.unique(energies).tolist()}")
    starts = np.cumsum(energies) - energies
    tables = _tables(packets, block, energies)
    found = []
    for number in np.unique(energies).tolist():
        rows = np.flatnonzero(energies == number)
        places = starts[rows, None] + np.arange(number)
        data = take(before, rows) | {
            "counts": Column(counts.values[places], "count", parameter="NIX00268"),
            "counts_comp_err": Column(counts.errors[places], "count", COMPRESSION_ERROR),
            "control_index": Column(np.zeros(len(rows), dtype=np.int64)),
        }
        chosen = np.unique(tables.of_row[rows]).tolist()
        found.append(with_energies(measured, data, tables, chosen, "NIXD0442,NIXD0443,NIXD0019"))
    return found


def _tables(packets: PacketSet, block: NDArray[np.int64], energies: NDArray[np.int64]) -> EnergyTables:
    """Energy tables of time bins: channels of their block in steps of its unit.

    Raises
    ------
    UnbuildableProduct
        If the number of energies of a time bin does not agree with the channels of its block.
    """
    low, high = packets.raw("NIXD0442").astype(np.int64), packets.raw("NIXD0443").astype(np.int64)
    step = packets.raw("NIXD0019").astype(np.int64) + 1
    first, last = np.minimum(low, high), np.maximum(low, high)
    channels = last - first + 1
    # Channels that do not fill a step may make a narrower plane or none; the number of energies shows which.
    full, narrower = channels[block] // step[block], -(-channels[block] // step[block])
    wrong = (energies != full) & (energies != narrower)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        at = int(block[row])
        raise UnbuildableProduct(
            f"time bin {row + 1} has {energies[row]} energies, and channels {first[at]} to {last[at]} in steps of "
            f"{step[at]} make {full[row]}"
        )
    rows = np.repeat(np.arange(len(energies)), energies)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(energies) - energies, energies)
    lower = first[block][rows] + number * step[block][rows]
    upper = np.minimum(lower + step[block][rows] - 1, last[block][rows])
    tables = energy_tables(rows, lower, upper, len(energies), whole=True)
    return replace(tables, reversed=bool((low > high).any()))
