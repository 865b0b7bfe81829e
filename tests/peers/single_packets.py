"""Values of packets of the open database, for products of one packet."""

from __future__ import annotations

from typing import Any

START = 664156800
"""On-board time of the first measurement, seconds."""
HEAD = {"NIX00001": 91, "NIX00002": 50001, "NIX00037": 1234567, "NIX00402": START << 16}
"""Begin of an answer to a request."""


def pixel_values(bins: int = 2, *, step: int = 20, **more: Any) -> dict[str, Any]:
    """Compressed pixel data: two energies, detectors 1 and 4, pixels 0, 1 and 4."""
    values: dict[str, Any] = {**HEAD, "NIXD0008": 4, "NIXD0009": 4, "NIXD0011": 4, "NIXD0012": 4, "NIX00403": bins}
    values |= {f"NIX00{number}": [number - 242] * bins for number in range(242, 258)}
    values |= {"NIX00441": [step * i for i in range(bins)], "NIX00401": [0] * bins, "NIX00442": [3] * bins}
    values |= {"NIXD0407": [1, 2, 16] * bins, "NIX00407": [0b1001] * bins, "NIX00405": [step] * bins}
    values |= {"NIX00258": [2] * bins, "NIXD0016": [4, 6] * bins, "NIXD0017": [5, 9] * bins}
    values |= {"NIX00259": [6] * (2 * bins), "NIX00260": [n % 32 for n in range(12 * bins)]}
    return values | more


def visibility_values(bins: int = 2, detectors: int = 3, **more: Any) -> dict[str, Any]:
    """Visibilities: two energies a time bin."""
    values: dict[str, Any] = {**HEAD, "NIXD0007": 1, "NIXD0008": 4, "NIXD0009": 3, "NIXD0011": 4, "NIXD0012": 4}
    values |= {"NIX00403": bins, "NIX00441": [40 * i for i in range(bins)], "NIX00401": [0] * bins}
    values |= {"NIX00405": [40] * bins, "NIX00407": [7] * bins}
    values |= {name: [1] * bins for name in ("NIXD0407", "NIXD0444", "NIXD0445", "NIXD0446", "NIXD0447")}
    values |= {f"NIX00{number}": [number - 242 + 16 * i for i in range(bins)] for number in range(242, 258)}
    values |= {"NIX00258": [2] * bins, "NIXD0016": [4, 6] * bins, "NIXD0017": [5, 9] * bins}
    size = bins * 2 * detectors
    values |= {"NIX00261": list(range(1, 2 * bins + 1)), "NIX00262": [detectors] * (2 * bins)}
    values |= {"NIX00100": list(range(detectors)) * (2 * bins)}
    values |= {"NIX00263": list(range(size)), "NIX00264": [128 + n for n in range(size)]}
    return values | more


def spectrogram_values(blocks: list[list[int]], closing: list[int], **more: object) -> dict[str, object]:
    """Blocks of time bins that begin at these tenths of seconds, and end at the closing time; three energies."""
    starts = [tenth for block in blocks for tenth in block]
    values: dict[str, object] = {**HEAD, "NIXD0008": 5, "NIXD0009": 3, "NIXD0011": 5, "NIXD0012": 3}
    values |= {"NIX00403": len(blocks), "NIXD0407": [0xFFF] * len(blocks), "NIX00407": [0xFF] * len(blocks)}
    values |= {"NIX00401": list(range(len(blocks))), "NIXD0442": [2] * len(blocks), "NIXD0443": [7] * len(blocks)}
    values |= {"NIXD0019": [1] * len(blocks), "NIX00089": [len(block) for block in blocks]}
    values |= {"NIX00441": starts, "NIX00267": [3] * len(starts), "NIX00270": [3] * len(starts)}
    values |= {"NIX00268": list(range(3 * len(starts))), "NIX00269": closing}
    return values | more


def lightcurve_values(time: int, edges: list[int], samples: int = 2, **more: Any) -> dict[str, Any]:
    """A light curve that begins at a second, with the channels between edges."""
    word = sum(1 << edge for edge in edges)
    values: dict[str, Any] = {"NIX00445": time, "NIX00405": 39, "NIX00407": 0xFFFFFFFF, "NIXD0407": 0xFFF}
    values |= {"NIXD0102": 5, "NIXD0103": 3, "NIXD0105": 5, "NIXD0106": 3}
    values |= {"NIX00266": word & 0xFFFFFFFF, "NIXD0107": word >> 32}
    energies = len(edges) - 1
    values |= {"NIX00270": energies, "NIX00271": [samples] * energies, "NIX00272": [1] * (energies * samples)}
    values |= {"NIX00273": samples, "NIX00274": [3] * samples, "NIX00275": samples, "NIX00276": [0] * samples}
    return values | more


SPECTRUM_SECONDS = 32
"""Length of a sample of `spectra_values`."""


def spectra_values(time: int, detectors: list[int], numbers: list[int] | None = None) -> dict[str, Any]:
    """Spectra of these detectors, one after another; counts are detector + energy, kept exactly."""
    values: dict[str, Any] = {"NIX00445": time, "NIX00405": 10 * SPECTRUM_SECONDS - 1, "NIXD0407": 0xFFF}
    values |= {"NIXD0116": 5, "NIXD0117": 3, "NIXD0113": 5, "NIXD0114": 3, "NIX00089": len(detectors)}
    values |= {"NIX00100": detectors, "NIX00484": detectors}
    values["NIX00485"] = list(range(len(detectors))) if numbers is None else numbers
    for energy in range(32):
        values[f"NIX00{452 + energy}"] = [(detector + energy) % 16 for detector in detectors]
    return values
