"""One-byte compression of a counter, as the instrument does it: the reference for what the package decompresses."""

from __future__ import annotations

from broker_assets.telemetry.decoding.compression import CompressionError, check_scheme


def compress(value: int, s: int, k: int, m: int) -> int:
    """The byte that represents an integer.

    Raises
    ------
    CompressionError
        If the value is beyond the scheme.
    """
    check_scheme(s, k, m)
    if value < 0 and not s:
        raise CompressionError(f"{value} is negative and scheme ({s}, {k}, {m}) has no sign")
    magnitude = abs(value)
    if magnitude >= 2 << m:
        shifts = magnitude.bit_length() - (m + 1)
        magnitude = ((shifts + 1) << m) | ((magnitude >> shifts) & ((1 << m) - 1))
    if magnitude > (127 if s else 255):
        raise CompressionError(f"{value} is beyond scheme ({s}, {k}, {m})")
    return magnitude + (128 if value < 0 else 0)
