"""Schemes that packets announce: each packet is decompressed with its own, and refused if that is not valid."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from broker_assets.telemetry import InstrumentDatabase, decode
from broker_assets.telemetry.decoding.compression import decompress_one
from broker_assets.telemetry.packets.encoding import encode

KIND = (21, 6, 30)
"""Light curve: NIXD0101 to NIXD0103 say how its counts are compressed."""


def lightcurve(database: InstrumentDatabase, scheme: tuple[int, int, int], counts: list[int]) -> bytes:
    s, k, m = scheme
    values: dict[str, int | Sequence[int]] = {
        "NIX00120": 30, "NIXD0101": s, "NIXD0102": k, "NIXD0103": m, "NIXD0104": 0, "NIXD0105": 5, "NIXD0106": 3,
        "NIX00270": 1, "NIX00271": [len(counts)], "NIX00272": counts,
    }  # fmt: skip
    return encode(database, KIND, values)


@pytest.mark.parametrize("schemes", [[(0, 5, 3), (0, 4, 4)], [(0, 5, 3)] * 3])
def test_each_packet_with_its_own_scheme(
    open_database: InstrumentDatabase, schemes: list[tuple[int, int, int]]
) -> None:
    counts = list(range(0, 256, 5))
    decoded = decode([lightcurve(open_database, scheme, counts) for scheme in schemes], open_database)
    [found] = decoded.structure(*KIND)
    column = found.columns["NIX00272"]
    assert column.scheme is not None
    assert column.scheme.tolist() == [list(scheme) for scheme in schemes]
    assert column.value is not None
    assert column.variance is not None
    for row, scheme in enumerate(schemes):
        exact = [decompress_one(byte, *scheme) for byte in counts]
        assert column.value[column.of(row)].tolist() == [value for value, _ in exact]
        np.testing.assert_allclose(column.variance[column.of(row)], [spread for _, spread in exact])


@pytest.mark.parametrize(
    ("scheme", "reason"), [((1, 7, 7), r"\(1, 7, 7\) does not fit a byte"), ((0, 7, 1), "reaches beyond 64 bits")]
)
def test_a_scheme_that_is_not_valid_costs_its_packet_only(
    open_database: InstrumentDatabase, scheme: tuple[int, int, int], reason: str
) -> None:
    good, bad = (lightcurve(open_database, announced, [1, 2, 3]) for announced in ((0, 5, 3), scheme))
    decoded = decode([good, bad, good], open_database)
    assert [failure.packet for failure in decoded.failures] == [1]
    assert re.search(reason, decoded.failures[0].reason)
    assert [structure.packets.tolist() for structure in decoded.structure(*KIND)] == [[0, 2]]


def test_a_scheme_with_a_sign_gives_negative_values(open_database: InstrumentDatabase) -> None:
    counts = list(range(0, 256, 3))
    packets = [lightcurve(open_database, scheme, counts) for scheme in ((1, 4, 3), (0, 5, 3))]
    [found] = decode(packets, open_database).structure(*KIND)
    column = found.columns["NIX00272"]
    assert column.value is not None
    assert column.scheme is not None
    exact = [[decompress_one(byte, *scheme)[0] for byte in counts] for scheme in column.scheme.tolist()]
    assert [column.value[column.of(row)].tolist() for row in range(2)] == exact
