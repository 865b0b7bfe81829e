"""Quick-look spectra (21,6,32): one detector after another, assembled into rows of 32."""

from __future__ import annotations

import numpy as np

from broker_assets.telemetry.decoding import masks, triggers
from broker_assets.telemetry.idb.stix_rules import SPECTRA
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.builders.measured import COMPRESSION_ERROR, Measured, PacketSet, cells
from broker_assets.telemetry.products.builders.quicklook import BACKGROUND_GROUPS, control_table, integration_ticks
from broker_assets.telemetry.products.files.tables import Column

DETECTORS = masks.DETECTORS


def spectra(packets: PacketSet) -> Measured:
    """A row per cycle of detectors.

    A row begins where the detector number does not grow. Detectors that a row lacks have no counts; their triggers and
    numbers are those of the previous sample (at the beginning, of the first).
    """
    column = packets.column("NIX00100")
    samples = np.diff(column.offsets)
    packet = np.repeat(np.arange(len(packets)), samples)
    detector = column.raw.astype(np.int64)
    numbers = packets.raw("NIX00485").astype(np.int64)
    length = integration_ticks(packets)[packet]
    start = packets.measured_at[packet] + numbers * length

    order = np.argsort(start, kind="stable")
    # The same sample sent twice counts once.
    kept = np.ones(len(order), dtype=bool)
    kept[1:] = (np.diff(start[order]) != 0) | (np.diff(detector[order]) != 0)
    order = order[kept]
    detector, packet, numbers, length, start = (values[order] for values in (detector, packet, numbers, length, start))
    begins = np.ones(len(detector), dtype=bool)
    begins[1:] = (np.diff(detector) <= 0) | (np.diff(start) > DETECTORS * length[1:])
    row = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    count = len(first)
    # For each place the sample that fills it: its own, else the last before it in the row, else the first of the row.
    source = np.full((count, DETECTORS), -1)
    source[row, detector] = np.arange(len(detector))
    source = np.maximum.accumulate(source, axis=1)
    source = np.where(source < 0, first[:, None], source)

    values = cells(count, DETECTORS, len(SPECTRA))
    variance = np.zeros(values.shape)
    for energy, name in enumerate(SPECTRA):
        found = packets.compressed(name)
        values[row, detector, energy] = found.values[order]
        variance[row, detector, energy] = found.variance[order]
    trigger = packets.compressed("NIX00484")
    counted, spread = trigger.values[order], trigger.variance[order]
    scaled = (trigger.scheme == triggers.SCALED).all(axis=1)[packet]
    if scaled.any():
        bins = np.rint(clock.seconds(length) * 10)
        unscaled, step = triggers.unscale(trigger.raw[order], bins, BACKGROUND_GROUPS)
        counted = np.where(scaled, np.rint(unscaled).astype(np.int64), counted)
        spread = np.where(scaled, step, spread)

    control = control_table(packets) | {
        "pixel_mask": Column(masks.bits(packets.raw("NIXD0407"), masks.PIXELS), parameter="NIXD0407"),
        "compression_scheme_spectra_skm": packets.compressed(SPECTRA[0]).scheme_column(),
        "compression_scheme_triggers_skm": trigger.scheme_column(),
        "num_energies": Column(np.full(len(packets), len(SPECTRA), dtype=np.int64)),
        "num_samples": Column(samples.astype(np.int64), parameter="NIX00089"),
    }
    data = {
        "control_index": Column(packet[first].astype(np.int64)),
        "time": Column(start[first] + length[first] // 2),
        "timedel": Column(length[first]),
        "detector_index": Column(detector[source].astype(np.uint8), parameter="NIX00100"),
        "spectra": Column(values, "count", parameter=",".join(SPECTRA)),
        "spectra_comp_err": Column(np.sqrt(variance).astype(np.float32), "", COMPRESSION_ERROR),
        "triggers": Column(counted[source], parameter="NIX00484"),
        "triggers_comp_err": Column(np.sqrt(spread[source]).astype(np.float32), description=COMPRESSION_ERROR),
        "num_integrations": Column(numbers[first].astype(np.uint8), parameter="NIX00485"),
    }
    return Measured(control, data)
