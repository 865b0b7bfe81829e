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
