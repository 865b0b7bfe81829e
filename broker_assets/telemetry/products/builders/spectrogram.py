"""Spectrograms (21,6,24): counts of all detectors by time and energy."""

from __future__ import annotations

import numpy as np

from broker_assets.telemetry.decoding import masks
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
from broker_assets.telemetry.products.files.tables import Column


def spectrogram(packets: PacketSet) -> Measured:
    """Counts by time bin; a bin ends where the next of its block begins, the last of a block at its closing time."""
    request = measurement(packets)
    measured = Measured(request.control, {})
    counts = packets.compressed("NIX00268")
    request.control.update(scheme_columns(packets, "NIX00268", "NIX00267"))
    blocks = detector_masks(packets, request.repaired)
    distinct = np.unique(blocks, axis=0)
    request.control["detector_masks"] = Column(
        distinct[:1] if len(distinct) == 1 else distinct[None], parameter="NIX00407"
    )
    edges = np.zeros(masks.ENERGY_EDGES, dtype=np.uint8)
    for first, last, unit in zip(
        packets.raw("NIXD0442").tolist(),
        packets.raw("NIXD0443").tolist(),
        packets.raw("NIXD0019").tolist(),
        strict=True,
    ):
        edges[np.arange(first, last + 2, unit + 1)] = 1
    request.control["energy_bin_edge_mask"] = Column(edges[None, :], parameter="NIXD0442,NIXD0443,NIXD0019")
    measured.energy_mask = edges

    samples = packets.raw("NIX00089").astype(np.int64)
    block = np.repeat(np.arange(len(samples)), samples)
    deltas = packets.raw("NIX00441").astype(np.int64)
    total = len(deltas)
    energies = packets.raw("NIX00270")
    if len(set(energies.tolist())) > 1:
        raise UnbuildableProduct(f"time bins differ in their number of energies: {sorted(set(energies.tolist()))}")
    length = np.append(np.diff(deltas), 0)
    ends = np.cumsum(samples) - 1
    length[ends[samples > 0]] = packets.raw("NIX00269").astype(np.int64)[samples > 0]
    if (length < 0).any():
        raise UnbuildableProduct("time bins of a block do not follow one another")
    durations = tenths(length)
    groups = group_flags(blocks).sum(axis=1, dtype=np.int64)[block]
    measured.data = {
        "time": Column(request.start + tenths(deltas) + durations // 2),
        "timedel": Column(durations),
        **trigger_columns(packets, measured, np.arange(total), length, groups, ("NIX00267",)),
        "rcr": Column(packets.raw("NIX00401").astype(np.uint8)[block], parameter="NIX00401"),
        "pixel_masks": Column(masks.bits(packets.raw("NIXD0407"), masks.PIXELS)[block], parameter="NIXD0407"),
        "counts": Column(counts.values.reshape(total, -1), "count", parameter="NIX00268"),
        "counts_comp_err": Column(counts.errors.reshape(total, -1), "count", COMPRESSION_ERROR),
        "control_index": Column(np.zeros(total, dtype=np.int64)),
    }
    return measured
