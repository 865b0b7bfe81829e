"""Bursts of the aspect system (21,6,42): voltages of the four photo diodes."""

from __future__ import annotations

import numpy as np

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.builders.measured import Measured, PacketSet
from broker_assets.telemetry.products.files.tables import Column

MILLISECONDS = 1000.0
DIODES = {
    "cha_diode0": "NIX00090",
    "cha_diode1": "NIX00091",
    "chb_diode0": "NIX00092",
    "chb_diode1": "NIX00093",
}


def aspect(packets: PacketSet) -> Measured:
    """A row per sample, time at its centre."""
    summing = packets.raw("NIX00088").astype(np.int64)
    averaging = packets.raw("NIX00490", 1).astype(np.int64)
    samples = packets.raw("NIX00089").astype(np.int64)
    packet = np.repeat(np.arange(len(packets)), samples)
    number = np.arange(len(packet)) - np.repeat(np.cumsum(samples) - samples, samples)
    length = (summing * averaging / MILLISECONDS)[packet]
    count = len(packets)
    control = {
        "summing_value": Column(summing.astype(np.uint8), parameter="NIX00088"),
        "samples": Column(samples.astype(np.uint16), parameter="NIX00089"),
        "averaging_value": Column(averaging.astype(np.uint16), parameter="NIX00490"),
        "request_id": Column(packets.raw("NIX00037", 0).astype(np.uint32), parameter="NIX00037"),
        "raw_file": Column(np.tile(np.unique(packets.raw_file), (count, 1))),
        "packet": Column(np.tile(packets.number, (count, 1))),
        "parent": Column(packets.parent),
        "index": Column(np.arange(count, dtype=np.int64)),
    }
    data = {
        "time": Column(packets.measured_at[packet] + clock.from_seconds((number + 0.5) * length)),
        "timedel": Column(clock.from_seconds(length)),
        **{
            name: Column(packets.raw(parameter).astype(np.uint16), parameter=parameter)
            for name, parameter in DIODES.items()
        },
        "control_index": Column(packet.astype(np.int64)),
    }
    return Measured(control, data)
