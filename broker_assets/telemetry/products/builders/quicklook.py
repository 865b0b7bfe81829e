"""Quick-look products: light curve, background, variance, flare flag, status and flare list."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding import masks, triggers
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.builders.energies import groups_of_edges
from broker_assets.telemetry.products.builders.measured import (
    COMPRESSION_ERROR,
    Compressed,
    Measured,
    PacketSet,
    UnbuildableProduct,
)
from broker_assets.telemetry.products.files.tables import Column, Table, take

INTEGRATION_STEP = 0.1
"""Seconds; NIX00405 counts steps from one."""


def integration_ticks(packets: PacketSet) -> NDArray[np.int64]:
    """Length of the time bins of each packet."""
    if "NIX00405" not in packets.decoded.columns:
        return np.zeros(len(packets), dtype=np.int64)
    return clock.from_seconds((packets.raw("NIX00405").astype(np.float64) + 1) * INTEGRATION_STEP)


def control_table(packets: PacketSet) -> Table:
    """Columns that the control tables of quick-look products share."""
    calibrated = packets.decoded.columns.get("NIX00405")
    seconds = np.zeros(len(packets)) if calibrated is None else calibrated.final.astype(np.float64) + INTEGRATION_STEP
    return {
        "scet_coarse": Column(packets.raw("NIX00445").astype(np.uint32), parameter="NIX00445"),
        "scet_fine": Column(packets.raw("NIX00446", 0).astype(np.int64), parameter="NIX00446"),
        "integration_time": Column(seconds, "s", parameter="NIX00405"),
        "index": Column(np.arange(len(packets), dtype=np.int64)),
        **packets.origin(),
    }


def sample_times(packets: PacketSet, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], Table]:
    """Packet of each sample, and the columns `control_index`, `time` and `timedel`.

    Parameters
    ----------
    packets : PacketSet
        n packets.
    counts : (n,) int64 array
        Number of samples of each packet.

    Returns
    -------
    packet : (m,) int64 array
        Row of the packet of each sample.
    columns : Table
        m rows; `time` is the middle of the sample and `timedel` its length, ticks of on-board time.
    """
    packet = np.repeat(np.arange(len(packets)), counts)
    number = np.arange(len(packet)) - np.repeat(np.cumsum(counts) - counts, counts)
    length = integration_ticks(packets)[packet]
    time = packets.measured_at[packet] + number * length + length // 2
    return packet, {
        "control_index": Column(packet.astype(np.int64)),
        "time": Column(time),
        "timedel": Column(length),
    }


def by_energy(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    energies: NDArray[np.int64],
    samples: NDArray[np.int64],
    chosen: NDArray[np.int64],
) -> NDArray[Any]:
    """Rows of samples from packets that hold one run of samples per energy.

    Parameters
    ----------
    values : (m,) array
    offsets : (n + 1,) int64 array
        Values of each packet.
    energies, samples : (n,) int64 arrays
    chosen : (m,) int64 array
        Packets with the same number of energies.

    Returns
    -------
    (samples, energies) array
    """
    parts = [values[offsets[i] : offsets[i + 1]].reshape(energies[i], samples[i]).T for i in chosen.tolist()]
    return np.concatenate(parts)


def _check_energies(packets: PacketSet, counter: str, counts: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of energies and of samples of each packet; all energies of a packet must have as many samples."""
    energies = packets.raw("NIX00270").astype(np.int64)
    per_energy = packets.column(counter)
    values = np.diff(packets.column(counts).offsets)
    last = np.array([per_energy.raw[per_energy.of(row)][-1:].sum() for row in range(len(packets))], dtype=np.int64)
    if (energies * last != values).any():
        row = int(np.flatnonzero(energies * last != values)[0])
        raise UnbuildableProduct(f"packet {packets.number[row]}: its energies differ in their number of samples")
    return energies, last


def trigger_columns(packets: PacketSet, name: str, packet: NDArray[np.int64], groups: NDArray[np.int64]) -> Table:
    """Triggers with errors; un-scaled where the packet says that they were divided on board.

    Parameters
    ----------
    packets : PacketSet
    name : str
        Parameter of the triggers, one per sample.
    packet : (m,) int64 array
        Packet of each sample.
    groups : (n,) int64 array
        Active trigger groups of each packet.
    """
    column = packets.compressed(name)
    values, variance = column.values, column.variance
    scaled = (column.scheme == triggers.SCALED).all(axis=1)[packet]
    if scaled.any():
        tenths = np.rint(clock.seconds(integration_ticks(packets)) * 10)
        unscaled, spread = triggers.unscale(column.raw, tenths[packet], groups[packet])
        # Half a step is an integer for quick-look bins: 15 · groups · tenths of seconds.
        values = np.where(scaled, np.rint(unscaled).astype(np.int64), values)
        variance = np.where(scaled, spread, variance)
    return {
        "triggers": Column(values, parameter=name),
        "triggers_comp_err": Column(np.sqrt(variance).astype(np.float32), description=COMPRESSION_ERROR),
    }


def _by_number_of_energies(
    control: Table, data: Table, counts: Compressed, name: str, edges: NDArray[np.uint8], samples: NDArray[np.int64]
) -> list[Measured]:
    """Tables of packets, one for each number of energies, which the packets give along with their energy edges.

    Parameters
    ----------
    control, data : Table
        A row per packet, with `num_energies`; a row per sample, without counts.
    counts : Compressed
        A run of samples per energy.
    name : str
        Parameter of the counts.
    edges : (n, 33) array
        Energy edges of each packet.
    samples : (n,) int64 array
        Number of samples of each packet.

    Raises
    ------
    UnbuildableProduct
        If the number of energies of a packet does not agree with its edges.
    """
    energies = control["num_energies"].values
    between = edges.sum(axis=1, dtype=np.int64) - 1
    wrong = np.flatnonzero(between != energies)
    if len(wrong):
        row = int(wrong[0])
        raise UnbuildableProduct(f"a packet has {energies[row]} energies and edges of {max(between[row], 0)}")
    packet = data["control_index"].values
    found = []
    for number in np.unique(energies).tolist():
        chosen = np.flatnonzero(energies == number)
        of_row = np.searchsorted(chosen, packet[energies[packet] == number])
        values, variance = (
            by_energy(part, counts.offsets, energies, samples, chosen) for part in (counts.values, counts.variance)
        )
        distinct, table = np.unique(edges[chosen], axis=0, return_inverse=True)
        own = take(data, energies[packet] == number) | {
            "control_index": Column(of_row),
            "counts": Column(values, "count", parameter=name),
            "counts_comp_err": Column(np.sqrt(variance).astype(np.float32), "count", COMPRESSION_ERROR),
        }
        groups = tuple(groups_of_edges(mask) for mask in distinct)
        found.append(Measured(take(control, chosen), own, energies=groups, energies_of_row=table.ravel()[of_row]))
    return found


BACKGROUND_GROUPS = 1
"""Trigger groups of the background detector."""


def lightcurve(packets: PacketSet) -> list[Measured]:
    """(21,6,30): counts of all detectors in a few energy bands; packets with as many energies are a table."""
    energies, samples = _check_energies(packets, "NIX00271", "NIX00272")
    packet, times = sample_times(packets, samples)
    counts = packets.compressed("NIX00272")
    control = control_table(packets)
    detector_mask = packets.raw("NIX00407")
    edges = masks.energy_edges(packets.raw("NIX00266"), packets.raw("NIXD0107"))
    control |= {
        "detector_mask": Column(masks.bits(detector_mask, masks.DETECTORS), parameter="NIX00407"),
        "pixel_mask": Column(masks.bits(packets.raw("NIXD0407"), masks.PIXELS), parameter="NIXD0407"),
        "energy_bin_edge_mask": Column(edges, parameter="NIX00266,NIXD0107"),
        "num_energies": Column(energies, parameter="NIX00270"),
        "num_samples": Column(samples, parameter="NIX00271"),
        "compression_scheme_counts_skm": counts.scheme_column(),
        "compression_scheme_triggers_skm": packets.compressed("NIX00274").scheme_column(),
    }
    groups = triggers.active_groups(detector_mask).sum(axis=1, dtype=np.int64)
    data = times | trigger_columns(packets, "NIX00274", packet, groups)
    data["rcr"] = Column(packets.raw("NIX00276").astype(np.uint8), parameter="NIX00276")
    return _by_number_of_energies(control, data, counts, "NIX00272", edges, samples)


def background(packets: PacketSet) -> list[Measured]:
    """(21,6,31): counts of the background detector in a few energy bands; packets with as many energies are a table."""
    energies, samples = _check_energies(packets, "NIX00277", "NIX00278")
    packet, times = sample_times(packets, samples)
    counts = packets.compressed("NIX00278")
    control = control_table(packets)
    edges = masks.energy_edges(packets.raw("NIX00266"), packets.raw("NIXD0111"))
    control |= {
        "energy_bin_edge_mask": Column(edges, parameter="NIX00266,NIXD0111"),
        "num_energies": Column(energies, parameter="NIX00270"),
        "num_samples": Column(samples, parameter="NIX00277"),
        "compression_scheme_counts_skm": counts.scheme_column(),
        "compression_scheme_triggers_skm": packets.compressed("NIX00274").scheme_column(),
    }
    groups = np.full(len(packets), BACKGROUND_GROUPS)
    data = times | trigger_columns(packets, "NIX00274", packet, groups)
    return _by_number_of_energies(control, data, counts, "NIX00278", edges, samples)


def variance(packets: PacketSet) -> Measured:
    """(21,6,33): variance of the counts within a bin."""
    column = packets.compressed("NIX00281")
    samples = np.diff(column.offsets)
    _, times = sample_times(packets, samples)
    control = control_table(packets)
    control |= {
        "samples_per_variance": Column(packets.raw("NIX00279").astype(np.uint8), parameter="NIX00279"),
        "pixel_mask": Column(masks.bits(packets.raw("NIXD0407"), masks.PIXELS), parameter="NIXD0407"),
        "detector_mask": Column(masks.bits(packets.raw("NIX00407"), masks.DETECTORS), parameter="NIX00407"),
        "compression_scheme_variance_skm": column.scheme_column(),
        "energy_bin_mask": Column(masks.bits(packets.raw("NIX00282"), 32).astype(bool), parameter="NIX00282"),
        "num_energies": Column(np.ones(len(packets), dtype=np.int64)),
        "num_samples": Column(samples.astype(np.int64), parameter="NIX00280"),
    }
    data = {
        "time": times["time"],
        "timedel": times["timedel"],
        "control_index": times["control_index"],
        "variance": Column(column.values[:, None], parameter="NIX00281"),
        "variance_comp_err": Column(column.errors[:, None], description=COMPRESSION_ERROR),
    }
    return Measured(control, data)


_FLARE_FLAGS = (
    ("loc_z", "NIX00283", 1),
    ("loc_y", "NIX00284", 1),
    ("thermal_index", "NIXD0061", 2),
    ("non_thermal_index", "NIXD0060", 2),
    ("location_status", "NIXD0059", 2),
)
"""Column, parameter, number of axes (an axis of length one is kept where readers expect it)."""


def flareflag(packets: PacketSet) -> Measured:
    """(21,6,34): flare flag and location."""
    samples = np.diff(packets.column("NIX00283").offsets).astype(np.int64)
    _, times = sample_times(packets, samples)
    control = control_table(packets) | {
        "num_samples": Column(packets.raw("NIX00089").astype(np.int64), parameter="NIX00089")
    }
    data = times
    for name, parameter, axes in _FLARE_FLAGS:
        values = packets.raw(parameter).astype(np.int16)
        data[name] = Column(values[:, None] if axes == 2 else values, parameter=parameter)
    if "NIXD0449" in packets.decoded.columns:
        data["flare_progress"] = Column(packets.raw("NIXD0449").astype(np.int64), parameter="NIXD0449")
    return Measured(control, data)


_FLARE_LIST = (
    ("start_scet_coarse", "NIX00287"),
    ("end_scet_coarse", "NIX00288"),
    ("highest_flareflag", "NIX00289"),
    ("tm_byte_volume", "NIX00290"),
    ("average_z_loc", "NIX00291"),
    ("average_y_loc", "NIX00292"),
    ("processing_mask", "NIX00293"),
)


def packet_control(packets: PacketSet, *, integration: bool = True) -> Table:
    """Control table of products with one row per packet at the packet's own time."""
    headers = packets.decoded.headers
    table = {
        "scet_coarse": Column(headers.scet_coarse.astype(np.int64)),
        "scet_fine": Column(headers.scet_fine.astype(np.int64)),
    }
    if integration:
        table["integration_time"] = Column(np.zeros(len(packets), dtype=np.int64))
    return table | {"index": Column(np.arange(len(packets), dtype=np.int64)), **packets.origin()}


def tmstatusflarelist(packets: PacketSet) -> Measured:
    """(21,6,43): telemetry status and list of flares; one row per flare, one of zeros where there is none."""
    flares = packets.raw("NIX00294").astype(np.int64)
    repeat = np.maximum(flares, 1)
    packet = np.repeat(np.arange(len(packets)), repeat)
    listed = np.repeat(flares > 0, repeat)
    data = {
        "control_index": Column(packet.astype(np.int64)),
        "ubsd": Column(packets.raw("NIX00285").astype(np.uint32)[packet], parameter="NIX00285"),
        "pald": Column(packets.raw("NIX00286").astype(np.uint32)[packet], parameter="NIX00286"),
    }
    for name, parameter in _FLARE_LIST:
        values = np.zeros(len(packet), dtype=np.int64)
        found = packets.decoded.columns.get(parameter)
        if found is not None and listed.any():
            values[listed] = found.raw
        data[name] = Column(values, parameter=parameter)
    data["time"] = Column(packets.decoded.headers.scet[packet])
    data["timedel"] = Column(np.zeros(len(packet), dtype=np.int64))
    return Measured(packet_control(packets, integration=False), data)
