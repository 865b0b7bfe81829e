"""What decoding gives: every packet in one place, found by kind and by row."""

from __future__ import annotations

import numpy as np

from broker_assets.telemetry import InstrumentDatabase, decode
from broker_assets.telemetry.packets.encoding import encode


def packets(database: InstrumentDatabase) -> list[bytes]:
    flares = [
        encode(database, (21, 6, 43), {"NIX00120": 43, "NIX00294": count, "NIX00293": [1] * count})
        for count in (2, 0, 1)
    ]
    return [flares[0], flares[1], b"\x0d\x00", flares[2], encode(database, (17, 2, None), {})]


def test_packets_are_found_by_kind_and_by_row(open_database: InstrumentDatabase) -> None:
    decoded = decode(packets(open_database), open_database)
    [flares] = decoded.structure(21, 6, 43)
    assert len(flares) == 3
    assert flares.key == (21, 6, 43)
    assert (flares.spid, flares.description) == (flares.plan.structure.spid, flares.plan.structure.description)
    assert decoded.structure(21, 6, 99) == []
    for row, packet in enumerate(flares.packets.tolist()):
        found = decoded.packet(packet)
        assert found is not None
        assert flares.bits[row] == 8 * len(decoded.batch.packet(packet)), "read to its end"


def test_values_of_a_packet_are_a_slice(open_database: InstrumentDatabase) -> None:
    [flares] = decode(packets(open_database), open_database).structure(21, 6, 43)
    counts = flares.columns["NIX00294"]
    status = flares.columns["NIX00293"]
    assert (counts.depth, status.depth) == (0, 1)
    assert counts.raw.tolist() == [2, 0, 1]
    assert [status.raw[status.of(row)].tolist() for row in range(3)] == [[1, 1], [], [1]]
    assert status.final is status.value or status.value is None
    assert counts.final is counts.raw


def test_what_could_not_be_read_is_listed_with_its_bytes(open_database: InstrumentDatabase) -> None:
    given = packets(open_database)
    given[0] = given[0][:-1]
    decoded = decode(given, open_database)
    assert len(decoded.bad) == len(decoded.batch.bad) + len(decoded.failures) == 2
    assert all(bad.reason for bad in decoded.bad)
    rows = [failure.packet for failure in decoded.failures]
    assert [decoded.packet(row) for row in rows] == [None] * len(rows)
    everywhere = np.concatenate([structure.packets for structure in decoded.structures])
    assert not np.isin(rows, everywhere).any()
