"""Pixel data: (21,6,20) raw, (21,6,21) compressed, (21,6,22) summed in pixel sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding import masks
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.builders.energies import EnergyTables, energy_tables, group_codes, with_energies
from broker_assets.telemetry.products.builders.measured import (
    COMPRESSION_ERROR,
    Measured,
    PacketSet,
    UnbuildableProduct,
    cells,
)
from broker_assets.telemetry.products.builders.science import (
    WRONGLY_ON,
    Measurement,
    detector_masks,
    group_flags,
    measurement,
    scheme_columns,
    tenths,
    trigger_columns,
)
from broker_assets.telemetry.products.files.tables import Column, take

SUMMED = 22
"""Structure id of pixel data summed in sets of pixels."""
RAW_ACCUMULATORS = tuple(f"NIX00{number}" for number in range(408, 424))


def _starts(counts: NDArray[Any]) -> NDArray[np.int64]:
    """First child of each record."""
    counts = counts.astype(np.int64)
    return np.asarray(np.cumsum(counts) - counts)


def pixels(packets: PacketSet) -> list[Measured]:
    """Compressed pixel data: counts by time, detector, pixel (or set of pixels) and energy.

    Time, detector mask, pixel mask and energy give the place of each group of counts. A time bin that lacks an energy
    group is an error: part of the request is missing. Time bins with other energies are tables of their own.

    Raises
    ------
    UnbuildableProduct
        If the packets belong to several requests, the number of pixel sets changes, energy groups are missing, or
        counts do not fit the masks.
    """
    request = measurement(packets)
    measured = Measured(request.control, {})
    request.control.update(scheme_columns(packets, "NIX00260", "NIX00242"))
    delta_name = "NIX00441" if "NIX00441" in packets.decoded.columns else "NIX00404"
    deltas = packets.raw(delta_name).astype(np.int64)
    unique, first = np.unique(deltas, return_index=True)
    bins = np.searchsorted(unique, deltas)

    sets = packets.raw("NIX00442").astype(np.int64)
    set_masks = masks.bits(packets.raw("NIXD0407"), masks.PIXELS)
    summed = packets.decoded.key[2] == SUMMED
    sent = detector_masks(packets, repaired=False)
    corrected = detector_masks(packets, request.repaired)
    if summed:
        places: list[NDArray[np.int64]] = [np.arange(number) for number in sets]
        if (sets != sets[0]).any():
            raise UnbuildableProduct("the number of pixel sets changes within the request")
        width = int(sets[0])
        pixel_column = set_masks[(_starts(sets)[first])[:, None] + np.arange(width)]
    else:
        owner = np.repeat(np.arange(len(sets)), sets)
        pixel_masks = np.zeros((len(sets), masks.PIXELS), dtype=np.uint8)
        np.bitwise_or.at(pixel_masks, owner, set_masks)
        places = [np.flatnonzero(row) for row in pixel_masks]
        width = masks.PIXELS
        pixel_column = pixel_masks[first]
        used = np.flatnonzero(pixel_masks.any(axis=0))

    length = packets.raw("NIX00405").astype(np.int64)[first]
    durations = tenths(length)
    active = corrected[first]
    before = {
        "time": Column(request.start + tenths(unique) + durations // 2),
        "timedel": Column(durations),
        "rcr": Column(packets.raw("NIX00401").astype(np.uint8)[first], parameter="NIX00401"),
        "pixel_masks": Column(pixel_column, parameter="NIXD0407"),
        "detector_masks": Column(active, parameter="NIX00407"),
        "num_pixel_sets": Column(sets[first].astype(np.uint8), parameter="NIX00442"),
        **trigger_columns(packets, measured, first, length, group_flags(active)),
    }
    groups = _Groups.of(packets, bins)
    tables = energy_tables(groups.row, groups.low, groups.high, len(unique))
    found = []
    for table, energies in enumerate(tables.groups):
        rows = np.flatnonzero(tables.of_row == table)
        counts, variance = _place(packets, groups, rows, energies, places, sent, width)
        detectors = _kept_detectors(counts, sent, corrected, request)
        counts, variance = counts[:, detectors], variance[:, detectors]
        if not summed:
            counts, variance = counts[:, :, used], variance[:, :, used]
        data = take(before, rows) | {
            "counts": Column(counts, "count", parameter="NIX00260"),
            "counts_comp_err": Column(np.sqrt(variance).astype(np.float32), "count", COMPRESSION_ERROR),
            "control_index": Column(np.zeros(len(rows), dtype=np.int64)),
        }
        found.append(with_energies(measured, data, tables, [table], "NIXD0016,NIXD0017"))
    return found


@dataclass(frozen=True)
class _Groups:
    """Groups of counts, in the order of the stream."""

    record: NDArray[np.int64]
    """Record (sub-structure) of each."""
    row: NDArray[np.int64]
    """Time bin of each."""
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @classmethod
    def of(cls, packets: PacketSet, bins: NDArray[np.int64]) -> _Groups:
        number = packets.raw("NIX00258").astype(np.int64)
        record = np.repeat(np.arange(len(number)), number)
        low, high = (packets.raw(name).astype(np.int64) for name in ("NIXD0016", "NIXD0017"))
        return cls(record, bins[record], low, high)


def _place(
    packets: PacketSet,
    groups: _Groups,
    rows: NDArray[np.int64],
    energies: NDArray[np.int64],
    places: list[NDArray[np.int64]],
    sent: NDArray[np.uint8],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts and variances of some time bins, by time, detector, pixel and energy."""
    column = packets.compressed("NIX00260")
    values = column.values
    sizes = packets.raw("NIX00259").astype(np.int64)
    starts = _starts(sizes)
    chosen = np.flatnonzero(np.isin(groups.row, rows))
    if len(chosen) != len(rows) * len(energies):
        raise UnbuildableProduct(
            f"{len(rows)} time bins and {len(energies)} energies need {len(rows) * len(energies)} groups of counts; "
            f"there are {len(chosen)}"
        )
    row = np.searchsorted(rows, groups.row[chosen])
    plane = np.searchsorted(group_codes(*energies.T), group_codes(groups.low, groups.high)[chosen])
    counts = cells(len(rows), masks.DETECTORS, width, len(energies))
    variance = np.zeros(counts.shape)
    filled = np.zeros((len(rows), len(energies)), dtype=bool)
    detectors = [np.flatnonzero(mask) for mask in sent]
    for number, group in enumerate(chosen.tolist()):
        record = int(groups.record[group])
        planes, pixel = detectors[record], places[record]
        size = int(sizes[group])
        if len(planes) == 0 or size % len(planes):
            raise UnbuildableProduct(f"{size} counts do not fit {len(planes)} detectors")
        wide = size // len(planes)
        if wide != len(pixel):
            if wide != width:
                raise UnbuildableProduct(f"{wide} counts per detector do not fit {len(pixel)} pixels")
            pixel = np.arange(width)
        part = slice(int(starts[group]), int(starts[group]) + size)
        at = np.ix_(row[number : number + 1], planes, pixel, plane[number : number + 1])
        counts[at] = values[part].reshape(1, len(planes), wide, 1)
        variance[at] = column.variance[part].reshape(1, len(planes), wide, 1)
        filled[row[number], plane[number]] = True
    if not filled.all():
        raise UnbuildableProduct("energy groups of some time bins are missing")
    return counts, variance


def _kept_detectors(
    counts: NDArray[Any], sent: NDArray[np.uint8], corrected: NDArray[np.uint8], request: Measurement
) -> NDArray[np.int64]:
    """Detectors of the mask, without those that are wrongly marked as on and have no counts."""
    if request.repaired:
        wrong = [detector for detector in WRONGLY_ON if sent[:, detector].any()]
        if counts[:, wrong].any():
            raise UnbuildableProduct("detectors that the repair of the mask removes have counts")
    return np.flatnonzero(corrected.any(axis=0))


def raw_pixels(packets: PacketSet) -> Measured:
    """Raw pixel data: single counts by detector, pixel and energy; records of one time share a row.

    Raises
    ------
    UnbuildableProduct
        If the packets belong to several requests, or a pixel does not exist.
    """
    request = measurement(packets)
    offsets = clock.from_seconds(packets.column("NIX00404").final.astype(np.float64))
    unique, first, bins = np.unique(offsets, return_index=True, return_inverse=True)
    samples = packets.raw("NIX00406").astype(np.int64)
    row = np.repeat(bins, samples)
    detector = packets.raw("NIXD0153").astype(np.int64)
    pixel = packets.raw("NIXD0158").astype(np.int64)
    channel = packets.raw("NIXD0154").astype(np.int64)
    if pixel.size and int(pixel.max()) >= masks.PIXELS:
        raise UnbuildableProduct(f"there is no pixel {int(pixel.max())}")
    found = packets.column("NIX00065").raw.astype(np.uint32)
    channels = np.unique(channel)
    counts = cells(len(unique), masks.DETECTORS, masks.PIXELS, len(channels)).astype(np.uint32)
    counts[row, detector, pixel, np.searchsorted(channels, channel)] = found
    sent = detector_masks(packets, repaired=False)
    corrected = detector_masks(packets, request.repaired)
    detectors = _kept_detectors(counts, sent, corrected, request)
    durations = tenths(packets.raw("NIX00405"))[first]
    data = {
        "rcr": Column(packets.raw("NIX00401").astype(np.uint8)[first], parameter="NIX00401"),
        "pixel_masks": Column(masks.bits(packets.raw("NIXD0407"), masks.PIXELS)[first], parameter="NIXD0407"),
        "detector_masks": Column(corrected[first], parameter="NIX00407"),
        "triggers": Column(
            np.column_stack([packets.raw(name)[first] for name in RAW_ACCUMULATORS]).astype(np.int64),
            parameter=",".join(RAW_ACCUMULATORS),
        ),
        "time": Column(request.start + unique + durations // 2),
        "timedel": Column(durations),
        "counts": Column(counts[:, detectors], "count", parameter="NIX00065"),
        "control_index": Column(np.zeros(len(unique), dtype=np.int64)),
    }
    measured = Measured(request.control, {}, channel_numbers=channels)
    tables = EnergyTables((np.stack([channels, channels], axis=1),), np.zeros(len(unique), dtype=np.int64))
    return with_energies(measured, data, tables, [0], "NIXD0154")
