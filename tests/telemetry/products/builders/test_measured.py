"""Packets of one kind as columns, and what makes a product impossible."""

from __future__ import annotations

import numpy as np
import pytest
from single_packets import START, lightcurve_values

from broker_assets.telemetry import InstrumentDatabase, decode
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.packets.encoding import encode
from broker_assets.telemetry.products.builders.measured import (
    MOST_CELLS,
    Measured,
    PacketSet,
    UnbuildableProduct,
    cells,
)
from broker_assets.telemetry.products.product import WARNING


@pytest.fixture
def curves(open_database: InstrumentDatabase) -> PacketSet:
    """Two light curves, an hour apart."""
    packets = [
        encode(open_database, (21, 6, 30), {"NIX00120": 30} | lightcurve_values(START + 3600 * n, [1, 5, 9], samples=2))
        for n in range(2)
    ]
    [structure] = decode(packets, open_database).structures
    return PacketSet(structure, np.array(["a.xml", "b.xml"]), np.array([1, 2]), np.array(["lb"] * 2))


def test_a_packet_cannot_ask_for_any_number_of_counts() -> None:
    assert cells(3, 2).tolist() == [[0, 0]] * 3
    with pytest.raises(UnbuildableProduct, match="1,000,000,000,000 values"):
        cells(10**6, 10**6)
    assert cells(0, MOST_CELLS + 1).size == 0


def test_columns(curves: PacketSet) -> None:
    assert len(curves) == 2
    assert curves.measured_at.tolist() == [(START + 3600 * n) * clock.TICKS_PER_SECOND for n in range(2)]
    assert curves.raw("NIX99999", absent=7).tolist() == [7, 7]
    with pytest.raises(UnbuildableProduct, match="has no parameter NIX99999"):
        curves.raw("NIX99999")
    assert {name: column.values.tolist() for name, column in curves.origin().items()} == {
        "raw_file": ["a.xml", "b.xml"], "packet": [1, 2], "parent": ["lb", "lb"],
    }  # fmt: skip


def test_compressed_parameters(curves: PacketSet) -> None:
    found = curves.compressed("NIX00272")
    assert found.values.dtype == np.int64
    assert found.offsets.tolist() == [0, 4, 8]
    assert len(found.errors) == len(found.values) == len(found.raw)
    assert found.scheme.tolist() == [[0, 5, 3]] * 2
    with pytest.raises(UnbuildableProduct, match=r"NIX00405 of .* is not compressed"):
        curves.compressed("NIX00405")


def test_a_warning_marks_the_file_once() -> None:
    measured = Measured({}, {})
    for text in ("one", "two", "one"):
        measured.warn(text)
    assert measured.cards == [WARNING]
    assert measured.comments == ["one", "two"]
