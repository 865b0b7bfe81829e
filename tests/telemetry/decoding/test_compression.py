"""Compression of counters: tables, round trip, limits."""

from __future__ import annotations

import numpy as np
import pytest
from compressed_counters import compress
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry.decoding.compression import (
    CompressionError,
    check_scheme,
    decompress,
    scheme_table,
)

SCHEMES = st.sampled_from([(0, 5, 3), (0, 4, 4), (0, 3, 5), (0, 0, 8), (1, 4, 3), (1, 3, 4), (1, 5, 2)])


def test_bytes_of_the_contract() -> None:
    assert (compress(12799, 0, 5, 3), compress(-2015, 1, 3, 4)) == (92, 255)


@given(SCHEMES, st.integers(0, 255))
def test_a_decompressed_value_compresses_to_its_byte(scheme: tuple[int, int, int], byte: int) -> None:
    value = int(scheme_table(*scheme).values[byte])
    # Minus zero is stored as 128 and cannot be told from zero.
    assert compress(value, *scheme) == (0 if value == 0 else byte)


@given(SCHEMES, st.integers(0, 2**40))
def test_the_value_lies_within_the_interval_of_its_byte(scheme: tuple[int, int, int], value: int) -> None:
    try:
        byte = compress(value, *scheme)
    except CompressionError:
        return
    table = scheme_table(*scheme)
    middle = int(table.values[byte])
    # Variance of the interval: ((width)² + 2) / 12.
    width = round((table.variances[byte] * 12 - 2) ** 0.5) if table.variances[byte] else 1
    assert abs(value - middle) <= width / 2


def test_values_below_the_mantissa_are_exact() -> None:
    values, variances = decompress(np.arange(16, dtype=np.uint8), 0, 5, 3)
    assert values.tolist() == list(range(16))
    assert not variances.any()


def test_a_sign_makes_signed_integers() -> None:
    values, _ = decompress(np.array([5, 133], dtype=np.uint8), 1, 4, 3)
    assert values.dtype == np.int64
    assert values.tolist() == [5, -5]


@pytest.mark.parametrize("scheme", [(0, 5, 4), (1, 5, 3), (2, 3, 3), (0, 7, 0), (0, 7, 1), (0, -1, 3)])
def test_impossible_schemes_are_refused(scheme: tuple[int, int, int]) -> None:
    with pytest.raises(CompressionError, match=r"scheme \("):
        check_scheme(*scheme)


def test_bytes_beyond_64_bits_are_refused() -> None:
    # With three exponent bits the byte 255 could not be stored by the on-board software.
    assert decompress(np.array([3], dtype=np.uint8), 0, 3, 0)[0].tolist() == [5]
    with pytest.raises(CompressionError, match="more than 64 bits"):
        decompress(np.array([255], dtype=np.uint8), 0, 3, 0)


def test_values_beyond_the_scheme_are_refused() -> None:
    with pytest.raises(CompressionError, match="negative"):
        compress(-1, 0, 5, 3)
    with pytest.raises(CompressionError, match="beyond"):
        compress(2**62, 0, 4, 4)
