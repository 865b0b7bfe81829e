"""Calibration spectra (21,6,41): one spectrum per pixel, in the 1024 channels of the converter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding import masks
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.builders.measured import COMPRESSION_ERROR, Measured, PacketSet, cells
from broker_assets.telemetry.products.builders.sequences import count_order
from broker_assets.telemetry.products.files.tables import Column, Table

CHANNELS = 1024
PARAMETERS = 129
"""Number of the first of the 24 parameters of the sub-spectra, NIXD0129."""


def _sub_spectra(packets: PacketSet) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(n, 8) points, summed channels and lowest channel of each sub-spectrum."""
    values = np.stack(
        [packets.raw(f"NIXD0{PARAMETERS + i}").astype(np.int64) for i in range(3 * masks.SUB_SPECTRA)], axis=1
    ).reshape(-1, masks.SUB_SPECTRA, 3)
    return values[..., 0] + 1, values[..., 1] + 1, values[..., 2]


def energy(packets: PacketSet) -> Measured:
    """A row per spectrum: counts by detector, pixel and channel, those of summed channels shared equally among them."""
    points, summed, lowest = _sub_spectra(packets)
    enabled = masks.bits(packets.raw("NIX00160"), masks.SUB_SPECTRA)
    duration = clock.from_seconds(packets.raw("NIX00122").astype(np.float64))
    time = packets.measured_at + duration // 2
    unique, first, bins = np.unique(time, return_index=True, return_inverse=True)
    column = packets.compressed("NIX00158")
    values = column.values.astype(np.float64)
    counts = cells(len(unique), masks.DETECTORS, masks.PIXELS, CHANNELS).astype(np.float64)
    variance = np.zeros(counts.shape)
    pieces = packets.column("NIXD0155")
    owner = np.repeat(np.arange(len(packets)), np.diff(pieces.offsets))
    stream = _stream_order(packets, bins)[owner]
    detector, pixel, sub = (packets.raw(name).astype(np.int64) for name in ("NIXD0155", "NIXD0156", "NIXD0157"))
    sizes = packets.raw("NIX00146").astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    measured = Measured(_control(packets, points, summed, lowest, enabled), {})
    # Pieces of a sub-spectrum follow one another; each continues where the previous one ended.
    reached: dict[tuple[int, int, int, int], int] = {}
    for piece in np.argsort(stream, kind="stable").tolist():
        packet = int(owner[piece])
        d, p, s = int(detector[piece]), int(pixel[piece]), int(sub[piece])
        if p >= masks.PIXELS:
            measured.problems.append(f"packet {packets.number[packet]}: there is no pixel {p}")
            continue
        place = (int(bins[packet]), d, p, s)
        begin = reached.get(place, 0)
        size = int(sizes[piece])
        reached[place] = begin + size
        width = int(summed[packet, s])
        low = int(lowest[packet, s]) + begin * width
        if begin + size > int(points[packet, s]) or low + size * width > CHANNELS:
            measured.problems.append(
                f"packet {packets.number[packet]}: {size} points from channel {low} do not fit sub-spectrum {s + 1}"
            )
            continue
        part = slice(int(starts[piece]), int(starts[piece]) + size)
        target = slice(low, low + size * width)
        counts[place[:3]][target] += np.repeat(values[part] / width, width)
        variance[place[:3]][target] += np.repeat(column.variance[part] / width, width)
    _note_missing(measured, reached, points, enabled, first)
    measured.data = {
        "time": Column(unique),
        "timedel": Column(duration[first]),
        "counts": Column(counts, "count", parameter="NIX00158"),
        "counts_comp_err": Column(np.sqrt(variance).astype(np.float32), "count", COMPRESSION_ERROR),
        "control_index": Column(first.astype(np.int64)),
    }
    return measured


def _stream_order(packets: PacketSet, bins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of each packet among those of its spectrum, by sequence count: the clock may be set between two of them."""
    counts = packets.decoded.headers.sequence_count
    place = np.zeros(len(packets), dtype=np.int64)
    for spectrum in np.unique(bins):
        own = np.flatnonzero(bins == spectrum)
        place[own[count_order(counts[own])]] = np.arange(len(own))
    return place


def _note_missing(
    measured: Measured,
    reached: dict[tuple[int, int, int, int], int],
    points: NDArray[np.int64],
    enabled: NDArray[np.uint8],
    first: NDArray[np.int64],
) -> None:
    """Record how many spectra are incomplete; the available parts are kept."""
    for row, packet in enumerate(first.tolist()):
        expected = {s: int(points[packet, s]) for s in np.flatnonzero(enabled[packet]).tolist()}
        pixels = {key[1:3] for key in reached if key[0] == row}
        short = sum(any(reached.get((row, *pixel, s), 0) < size for s, size in expected.items()) for pixel in pixels)
        if short:
            measured.problems.append(f"spectrum {row + 1}: points of {short} of {len(pixels)} pixels are missing")


def _control(
    packets: PacketSet,
    points: NDArray[np.int64],
    summed: NDArray[np.int64],
    lowest: NDArray[np.int64],
    enabled: NDArray[np.uint8],
) -> Table:
    duration = packets.raw("NIX00122")
    quiet, live = packets.raw("NIX00123"), packets.raw("NIX00124")
    temperature = packets.column("NIX00125")
    return {
        "scet_coarse": Column(packets.raw("NIX00445").astype(np.uint32), parameter="NIX00445"),
        "scet_fine": Column(np.zeros(len(packets), dtype=np.uint32)),
        # The units of these three are those of the flight software, whatever a build of the database calibrates.
        "integration_time": Column(
            duration.astype(np.uint32),
            parameter="NIX00122",
            engineering=duration.astype(np.float64),
            engineering_unit="s",
        ),
        "index": Column(np.arange(len(packets), dtype=np.int64)),
        **packets.origin(),
        "quiet_time": Column(
            quiet.astype(np.uint16), parameter="NIX00123", engineering=quiet.astype(np.float64), engineering_unit="us"
        ),
        "live_time": Column(
            live.astype(np.uint32), parameter="NIX00124", engineering=live.astype(np.uint32), engineering_unit="ms"
        ),
        "average_temperature": Column(
            temperature.raw.astype(np.uint16),
            "",
            "",
            "NIX00125",
            temperature.calibration,
            temperature.value,
            temperature.unit_out or "",
        ),
        "detector_mask": Column(masks.bits(packets.raw("NIX00407"), masks.DETECTORS), parameter="NIX00407"),
        "pixel_mask": Column(masks.bits(packets.raw("NIXD0407"), masks.PIXELS), parameter="NIXD0407"),
        "subspectrum_mask": Column(enabled, parameter="NIX00160"),
        "compression_scheme_counts_skm": packets.compressed("NIX00158").scheme_column(),
        "num_samples": Column(packets.raw("NIX00159").astype(np.uint16), parameter="NIX00159"),
        "subspec_num_points": Column(points.astype(np.uint16)),
        "subspec_num_summed_channel": Column(summed.astype(np.uint16)),
        "subspec_lowest_channel": Column(lowest.astype(np.uint16)),
        "num_channels": Column((points * enabled).sum(axis=1)),
    }
