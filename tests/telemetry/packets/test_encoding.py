"""Made packets decode to what they were made of."""

from __future__ import annotations

import pytest

from broker_assets.telemetry import InstrumentDatabase, decode
from broker_assets.telemetry.packets.encoding import EncodingError, PacketHeader, encode


def test_values_survive(open_database: InstrumentDatabase) -> None:
    values: dict[str, int | list[int]] = {
        "NIX00120": 34, "NIX00445": 660000000, "NIX00446": 8, "NIX00405": 39, "NIX00089": 2,
        "NIXD0449": [1, 0], "NIXD0061": [5, 6], "NIX00283": [-128, 127], "NIX00284": [-1, 0],
    }  # fmt: skip
    header = PacketHeader(coarse=660000001, fine=9, sequence_count=77, sequence_flag=1)
    packet = decode([encode(open_database, (21, 6, 34), values, header)], open_database).packet(0)
    assert packet is not None
    assert (packet.secondary.scet_coarse, packet.secondary.scet_fine) == (660000001, 9)
    assert (packet.primary.sequence_count, packet.primary.sequence_flag) == (77, 1)
    for name, value in values.items():
        assert packet.merged_raw[name] == ([value] if isinstance(value, list) else value)
    # The overlapping word holds the fields written after it.
    assert packet.merged_raw["NIXG0020"] == [[0b10000101, 0b00000110]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"NIX00120": 256}, "NIX00120 = 256 does not fit 8 bits"),
        ({"NIX00089": 2, "NIX00283": [1]}, "too few values of NIX00283"),
        ({"NIX00089": 1, "NIX00283": [1, 2]}, "more values of NIX00283"),
        ({"NIX00089": 1, "NIX00283": [128]}, "NIX00283 = 128 does not fit"),
        ({"NIX77777": 1}, "more values of NIX77777"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    open_database: InstrumentDatabase, values: dict[str, int | list[int]], message: str
) -> None:
    with pytest.raises(EncodingError, match=message):
        encode(open_database, (21, 6, 34), values)


def test_unknown_kinds_are_refused(open_database: InstrumentDatabase) -> None:
    with pytest.raises(EncodingError, match="no packet kind"):
        encode(open_database, (21, 6, 99), {})
