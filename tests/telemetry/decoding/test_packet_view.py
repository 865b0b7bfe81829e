"""One packet of many, as plain values."""

from __future__ import annotations

import json

from broker_assets.telemetry import InstrumentDatabase, decode
from broker_assets.telemetry.packets.encoding import PacketHeader, encode


def test_a_view_is_that_of_its_packet_alone(open_database: InstrumentDatabase) -> None:
    packets = [
        encode(
            open_database,
            (5, 1, 33),
            {"NIX00299": 33, "NIX00304": mode, "NIX00305": 2},
            PacketHeader(100 + mode, 0, mode),
        )
        for mode in (4, 3)
    ]
    batch = decode(packets, open_database)
    for row, mode in enumerate((4, 3)):
        view = batch.packet(row)
        assert view is not None
        assert view.data == packets[row]
        assert (view.primary.sequence_count, view.secondary.scet_coarse) == (mode, 100 + mode)
        assert view.merged_raw["NIX00304"] == mode
        assert [value for depth, name, value in view.stream if name == "NIX00304"] == [mode]
        assert view.bits_consumed == len(packets[row]) * 8
        assert view.request_id is None
        assert view.parameters["NIX00304"].raw == mode
        assert isinstance(view.parameters["NIX00304"].value, str)
        assert view.columns.keys() == view.parameters.keys()


def test_values_of_groups_are_lists_and_absent_ones_are_left_out(open_database: InstrumentDatabase) -> None:
    def temperatures(count: int) -> bytes:
        values: dict[str, int | list[int]] = {
            "NIX00103": count,
            "NIX00100": list(range(count)),
            "NIX00101": [2000 + number for number in range(count)],
            "NIX00102": [2100 + number for number in range(count)],
        }
        return encode(open_database, (239, 3, None), values)

    batch = decode([temperatures(3), temperatures(0), temperatures(1)], open_database)
    three, none, one = (batch.packet(row) for row in range(3))
    assert three is not None
    assert none is not None
    assert one is not None
    assert three.merged_raw["NIX00101"] == [[2000, 2001, 2002]]
    assert one.merged_raw["NIX00101"] == [[2000]]
    assert "NIX00101" not in none.merged_raw
    assert none.merged_raw["NIX00103"] == 0
    assert json.loads(json.dumps(three.merged_raw)) == three.merged_raw
