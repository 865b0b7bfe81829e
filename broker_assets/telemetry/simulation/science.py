"""Answers to science requests: pixel data, visibilities, spectrograms and an aspect burst around the largest flare."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding.triggers import SCALED
from broker_assets.telemetry.packets.clock import TICKS_PER_SECOND
from broker_assets.telemetry.simulation.drafts import (
    ALL_PIXELS,
    IMAGING,
    IMAGING_MASK,
    Draft,
    Values,
    chunks,
    compressed,
    in_sequence,
    scheme,
)
from broker_assets.telemetry.simulation.sun import CHANNELS, SECONDS_PER_DAY, Flare, Sun, generator

COUNTS_SCHEME: Final = (0, 5, 3)
TRIGGER_SCHEME: Final = (0, 5, 3)
VISIBILITY_SCHEME: Final = (1, 4, 3)
FLUX_SCHEME: Final = (0, 5, 3)
"""Derived from that of visibilities: no sign, one more exponent bit."""
COUNTS = ("NIXD0007", "NIXD0008", "NIXD0009")
TRIGGERS = ("NIXD0010", "NIXD0011", "NIXD0012")
GROUPS: Final = 16
"""Trigger groups; 15 of them have imaging detectors on both sides."""
ENERGY_GROUPS: Final = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 11), (12, 14), (15, 18), (19, 23))
"""First and last channel."""
SCALING_FACTOR: Final = 4
"""Divisor of the triggers of the second request."""
DOWNLINK_SECOND: Final = 20 * 3600
REQUEST_SECONDS: Final = 600
"""Seconds between the answers to two requests."""
ASPECT_SAMPLES: Final = 500


@dataclass(frozen=True)
class ScienceRequest:
    """A request for data, as in the table of requests."""

    identifier: int
    structure_id: int
    kind: str
    start: int
    """On-board second."""
    duration: int
    """Seconds."""
    purpose: str
    scaling_factor: int | None = None
    """None means an empty cell."""


def requests_of_day(sun: Sun, day: int) -> list[ScienceRequest]:
    """Requests around the largest flare of an on-board day.

    Parameters
    ----------
    sun : Sun
    day : int
        Days since 2000-01-01.
    """
    flare = _largest(sun, day)
    date = datetime.date(2000, 1, 1) + datetime.timedelta(days=day)
    first = int(f"{date:%y%m%d}") * 10_000
    begin = int(flare.start)
    peak = int(flare.peak)
    return [
        ScienceRequest(first + 1, 20, "L0", begin - 30, 8, "counts before the flare"),
        ScienceRequest(first + 2, 21, "L1", begin, 480, "imaging of the flare", SCALING_FACTOR),
        ScienceRequest(first + 3, 22, "L2", begin, 480, "imaging, pixels summed"),
        ScienceRequest(first + 4, 23, "L3", peak - 60, 240, "visibilities at the peak"),
        ScienceRequest(first + 5, 24, "Spectrogram", begin - 120, 1200, "spectral evolution"),
        ScienceRequest(0, 42, "Aspect", peak, 32, "jitter at the peak"),
    ]


def of_day(sun: Sun, day: int) -> Iterator[Draft]:
    """The packets that answer the requests of an on-board day, one request after another in the evening."""
    answers = {20: _raw_pixels, 21: _pixels, 22: _summed, 23: _visibilities, 24: _spectrogram}
    flare = _largest(sun, day)
    random = generator(sun.seed, day, "science")
    for number, request in enumerate(requests_of_day(sun, day)):
        sent = day * SECONDS_PER_DAY + DOWNLINK_SECOND + number * REQUEST_SECONDS
        key = (21, 6, request.structure_id)
        if request.structure_id == 42:
            yield from in_sequence(key, sent, _aspect(request, random))
            continue
        head: Values = {
            "NIX00001": 0x1DAC,
            "NIX00002": 0xC000 | request.identifier & 0x3FFF,
            "NIX00037": request.identifier,
            "NIX00402": request.start * TICKS_PER_SECOND,
        }
        parts = answers[request.structure_id](_View(sun, flare, request, random))
        yield from in_sequence(key, sent, [head | part for part in parts])


def _largest(sun: Sun, day: int) -> Flare:
    """The largest flare that begins on a day."""
    begin = day * SECONDS_PER_DAY
    return max(
        (flare for flare in sun.flares if begin <= flare.start < begin + SECONDS_PER_DAY), key=lambda flare: flare.size
    )


class _View:
    """What the detectors measure in the time of a request."""

    def __init__(self, sun: Sun, flare: Flare, request: ScienceRequest, random: np.random.Generator) -> None:
        self.sun = sun
        self.request = request
        self.random = random
        y, z = flare.location
        # The moiré pattern behind each pair of grids moves with the position of the source.
        self.phase = 2.0 * np.pi * np.array([(0.37 * (d + 1) * y + 0.61 * (d % 7 + 1) * z) % 1.0 for d in IMAGING])
        self.amplitude = np.array([0.75 - 0.02 * d for d in range(len(IMAGING))])

    def rates(self, starts: NDArray[np.float64], length: float) -> NDArray[np.float64]:
        """(n, 32) counts per second at the middle of time bins, offsets to the start of the request."""
        return self.sun.rates(self.request.start + starts + length / 2)

    def regime(self, starts: NDArray[np.float64], length: float) -> list[int]:
        """Rate control regime of time bins."""
        inserted = self.sun.attenuator(self.request.start + starts + length / 2)
        return [int(value) for value in inserted]

    def by_pixel(self, starts: NDArray[np.float64], length: float) -> NDArray[np.int64]:
        """(n, 30, 12, 32) counts by time, imaging detector, pixel and channel."""
        column = np.arange(12) % 4
        share = np.where(np.arange(12) < 8, 0.11, 0.03)
        pattern = 1.0 + self.amplitude[:, None] * np.cos(self.phase[:, None] - np.pi / 2 * column)
        weight = share * pattern / len(IMAGING)
        rates = self.rates(starts, length) * length
        return np.asarray(self.random.poisson(rates[:, None, None, :] * weight[None, :, :, None]))

    def triggers(self, starts: NDArray[np.float64], length: float) -> NDArray[np.int64]:
        """(n, 16) triggers by group."""
        rates = self.rates(starts, length).sum(axis=1) * length / GROUPS
        return np.asarray(self.random.poisson(np.repeat(rates[:, None], GROUPS, axis=1)))


def _raw_pixels(view: _View) -> list[Values]:
    """(21,6,20): each count separately; one time bin per packet."""
    length = 2.0
    starts = np.arange(0.0, view.request.duration, length)
    counts = view.by_pixel(starts, length)
    triggers = view.triggers(starts, length)
    parts = []
    for row, start in enumerate(starts):
        detector, pixel, channel = np.nonzero(counts[row])
        found = counts[row][detector, pixel, channel]
        extra = np.where(found == 1, 0, np.where(found < 256, 1, 2))
        data = [byte for count in found.tolist() if count > 1 for byte in _big_endian(count)]
        values: Values = {
            "NIX00403": 1,
            # Start times are in tenths of a second, counted from one.
            "NIX00404": [int(start * 10)],
            "NIX00401": [view.regime(starts, length)[row]],
            "NIX00405": [int(length * 10)],
            "NIXD0407": [ALL_PIXELS],
            "NIX00407": [IMAGING_MASK],
            "NIX00406": [len(found)],
            "NIXD0158": pixel.tolist(),
            "NIXD0153": [IMAGING[place] for place in detector],
            "NIXD0154": channel.tolist(),
            "NIXD0159": extra.tolist(),
            "NIX00065": data,
        }
        values |= {f"NIX00{408 + group}": [int(triggers[row, group])] for group in range(GROUPS)}
        values |= scheme(COUNTS, 0, 0, 0) | scheme(TRIGGERS, 0, 0, 0)
        parts.append(values)
    return parts


def _big_endian(count: int) -> tuple[int, ...]:
    """A count of raw pixel data: one byte, or two."""
    return (count,) if count < 256 else (count >> 8, count & 255)


def _groups(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over the energy groups; the last axis."""
    return np.stack([counts[..., first : last + 1].sum(axis=-1) for first, last in ENERGY_GROUPS], axis=-1)


def _pixels(view: _View) -> list[Values]:
    """(21,6,21): counts of 12 pixels in energy groups; a time bin per packet, triggers divided."""
    return _pixel_parts(view, [1 << pixel for pixel in range(12)], per_packet=1, divided=True)


def _summed(view: _View) -> list[Values]:
    """(21,6,22): the pixels of a column summed; four time bins per packet."""
    return _pixel_parts(view, [0x111 << column for column in range(4)], per_packet=4, divided=False)


def _pixel_parts(view: _View, sets: list[int], *, per_packet: int, divided: bool) -> list[Values]:
    length = 20.0
    starts = np.arange(0.0, view.request.duration, length)
    by_pixel = _groups(view.by_pixel(starts, length))
    members = [[pixel for pixel in range(12) if mask >> pixel & 1] for mask in sets]
    counts = np.stack([by_pixel[:, :, pixels].sum(axis=2) for pixels in members], axis=2)
    triggers = view.triggers(starts, length)
    regime = view.regime(starts, length)
    tenths = int(length * 10)
    if divided:
        stored = (triggers // (SCALING_FACTOR * tenths)).tolist()
    else:
        stored = [compressed(row, *TRIGGER_SCHEME) for row in triggers]
    parts = []
    for part in chunks(len(starts), per_packet):
        size = part.stop - part.start
        # Order of the stream: energy, detector, set of pixels.
        ordered = counts[part].transpose(0, 3, 1, 2)
        values: Values = {
            "NIX00403": size,
            "NIX00441": [int(start * 10) for start in starts[part]],
            "NIX00401": regime[part],
            "NIX00442": [len(sets)] * size,
            "NIXD0407": sets * size,
            "NIX00407": [IMAGING_MASK] * size,
            "NIX00405": [tenths] * size,
            "NIX00258": [len(ENERGY_GROUPS)] * size,
            "NIXD0016": [first for first, _ in ENERGY_GROUPS] * size,
            "NIXD0017": [last for _, last in ENERGY_GROUPS] * size,
            "NIX00259": [len(IMAGING) * len(sets)] * (len(ENERGY_GROUPS) * size),
            "NIX00260": compressed(ordered, *COUNTS_SCHEME),
        }
        for group in range(GROUPS):
            values[f"NIX00{242 + group}"] = [row[group] for row in stored[part]]
        values |= scheme(COUNTS, *COUNTS_SCHEME) | scheme(TRIGGERS, *(SCALED if divided else TRIGGER_SCHEME))
        parts.append(values)
    return parts


def _visibilities(view: _View) -> list[Values]:
    """(21,6,23): flux and visibilities; four time bins per packet."""
    length = 20.0
    starts = np.arange(0.0, view.request.duration, length)
    by_pixel = _groups(view.by_pixel(starts, length))
    columns = by_pixel.reshape(len(starts), len(IMAGING), 3, 4, -1).sum(axis=2)
    # The four columns of pixels sample the moiré pattern at steps of a quarter of a period.
    real = (columns[:, :, 0] - columns[:, :, 2]).transpose(0, 2, 1)
    imaginary = (columns[:, :, 1] - columns[:, :, 3]).transpose(0, 2, 1)
    flux = columns.sum(axis=(1, 2))
    triggers = view.triggers(starts, length)
    regime = view.regime(starts, length)
    parts = []
    for part in chunks(len(starts), 4):
        size = part.stop - part.start
        pairs = len(ENERGY_GROUPS) * size
        values: Values = {
            "NIX00403": size,
            "NIX00441": [int(start * 10) for start in starts[part]],
            "NIX00401": regime[part],
            "NIX00405": [int(length * 10)] * size,
            "NIXD0407": [0x111] * size,
            "NIX00407": [IMAGING_MASK] * size,
            "NIX00258": [len(ENERGY_GROUPS)] * size,
            "NIXD0016": [first for first, _ in ENERGY_GROUPS] * size,
            "NIXD0017": [last for _, last in ENERGY_GROUPS] * size,
            "NIX00261": compressed(flux[part], *FLUX_SCHEME),
            "NIX00262": [len(IMAGING)] * pairs,
            "NIX00100": [*IMAGING] * pairs,
            "NIX00263": compressed(real[part], *VISIBILITY_SCHEME),
            "NIX00264": compressed(imaginary[part], *VISIBILITY_SCHEME),
        }
        values |= {f"NIXD0{444 + number}": [0x222 << number] * size for number in range(3)}
        values["NIXD0447"] = [ALL_PIXELS] * size
        for group in range(GROUPS):
            values[f"NIX00{242 + group}"] = compressed(triggers[part, group], *TRIGGER_SCHEME)
        values |= scheme(COUNTS, *VISIBILITY_SCHEME) | scheme(TRIGGERS, *TRIGGER_SCHEME)
        parts.append(values)
    return parts


def _spectrogram(view: _View) -> list[Values]:
    """(21,6,24): all channels every 4 s; a block ends where the rate control regime changes."""
    length = 4.0
    starts = np.arange(0.0, view.request.duration, length)
    rates = view.rates(starts, length)
    counts = view.random.poisson(rates * length)
    triggers = view.triggers(starts, length).sum(axis=1)
    regime = view.regime(starts, length)
    parts = []
    for part in chunks(len(starts), 75):
        edges = [row for row in range(part.start + 1, part.stop) if regime[row] != regime[row - 1]]
        blocks = list(zip([part.start, *edges], [*edges, part.stop], strict=True))
        values: Values = {
            "NIX00403": len(blocks),
            "NIXD0407": [ALL_PIXELS] * len(blocks),
            "NIX00407": [IMAGING_MASK] * len(blocks),
            "NIX00401": [regime[first] for first, _ in blocks],
            "NIXD0442": [0] * len(blocks),
            "NIXD0443": [CHANNELS - 1] * len(blocks),
            "NIXD0019": [0] * len(blocks),
            "NIX00089": [after - first for first, after in blocks],
            "NIX00441": [int(start * 10) for start in starts[part]],
            "NIX00267": compressed(triggers[part], *TRIGGER_SCHEME),
            "NIX00270": [CHANNELS] * (part.stop - part.start),
            "NIX00268": compressed(counts[part], *COUNTS_SCHEME),
            "NIX00269": [int(length * 10)] * len(blocks),
        }
        values |= scheme(COUNTS, *COUNTS_SCHEME) | scheme(TRIGGERS, *TRIGGER_SCHEME)
        parts.append(values)
    return parts


def _aspect(request: ScienceRequest, random: np.random.Generator) -> list[Values]:
    """(21,6,42): four photo diodes every 16 ms."""
    summing = 16
    size = ASPECT_SAMPLES
    parts = []
    for number in range(request.duration * 1000 // (summing * size)):
        start = request.start + number * summing * size // 1000
        diodes = np.array([[610], [640], [590], [625]]) * 4 + random.integers(-8, 9, size=(4, size))
        values: Values = {"NIX00445": start, "NIX00446": 0, "NIX00490": 1, "NIX00088": summing, "NIX00089": size}
        values |= {f"NIX0009{diode}": diodes[diode].tolist() for diode in range(4)}
        parts.append(values)
    return parts
