"""Visibilities (21,6,23): flux, real and imaginary parts by time, energy and detector."""

from __future__ import annotations

import numpy as np

from broker_assets.telemetry.decoding import masks
from broker_assets.telemetry.packets import clock
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
    tenths,
    trigger_columns,
)
from broker_assets.telemetry.products.files.tables import Column

PIXEL_MASKS = ("NIXD0407", "NIXD0444", "NIXD0445", "NIXD0446", "NIXD0447")


def visibilities(packets: PacketSet) -> Measured:
    """A row per time bin; arrays are [energy, detector], as the stream has them."""
    request = measurement(packets)
    measured = Measured(request.control, {})
    active = detector_masks(packets, request.repaired)
    count = len(active)
    energies = packets.raw("NIX00258").astype(np.int64)
    detectors = packets.raw("NIX00262").astype(np.int64)
    if len(set(energies.tolist())) > 1 or len(set(detectors.tolist())) > 1:
        raise UnbuildableProduct("the number of energies or detectors changes within the request")
    shape = (count, int(energies[0]), int(detectors[0]) if len(detectors) else 0)
    edges = np.zeros(masks.ENERGY_EDGES, dtype=np.uint8)
    edges[packets.raw("NIXD0016").astype(np.int64)] = 1
    edges[packets.raw("NIXD0017").astype(np.int64) + 1] = 1
    measured.energy_mask = edges
    delta = packets.raw("NIX00441")
    length = packets.raw("NIX00405")
    durations = tenths(length)
    data = {
        "delta_time": Column(clock.seconds(tenths(delta)), "s", parameter="NIX00441"),
        "control_index": Column(np.zeros(count, dtype=np.int64)),
        "rcr": Column(packets.raw("NIX00401").astype(np.int64), parameter="NIX00401"),
    }
    for number, name in enumerate(PIXEL_MASKS, 1):
        data[f"pixel_mask{number}"] = Column(masks.bits(packets.raw(name), masks.PIXELS), parameter=name)
    data["detector_masks"] = Column(active, parameter="NIX00407")
    data["integration_time"] = Column(clock.seconds(durations), "s", parameter="NIX00405")
    data |= trigger_columns(packets, measured, np.arange(count), length, group_flags(active))
    flux = packets.compressed("NIX00261")
    data["flux"] = Column(flux.values.reshape(shape[:2]), parameter="NIX00261")
    data["detector_id"] = Column(packets.raw("NIX00100").astype(np.int64).reshape(shape), parameter="NIX00100")
    for name, parameter in (("real", "NIX00263"), ("imaginary", "NIX00264")):
        column = packets.compressed(parameter)
        data[name] = Column(column.values.reshape(shape), parameter=parameter)
        data[f"{name}_comp_err"] = Column(column.errors.reshape(shape), description=COMPRESSION_ERROR)
    data["time"] = Column(request.start + tenths(delta) + durations // 2)
    data["timedel"] = Column(durations)
    measured.data = data
    return measured
