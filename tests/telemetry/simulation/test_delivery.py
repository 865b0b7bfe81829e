"""Telemetry files of a simulated day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.simulation.delivery import Fault, Packet, file_name, files_of_day, write_file
from broker_assets.telemetry.simulation.drafts import Packer, in_order
from broker_assets.telemetry.simulation.housekeeping import of_day
from broker_assets.telemetry.simulation.science import of_day as answers
from broker_assets.telemetry.simulation.sun import Sun

DAY = 8900


@pytest.fixture(scope="module")
def packets(open_database: InstrumentDatabase) -> list[Packet]:
    sun, packer = Sun.of_days(3, [DAY]), Packer(open_database)
    return [Packet(draft, packer.pack(draft)) for draft in in_order([*of_day(sun, DAY), *answers(sun, DAY)])]


def contained(content: bytes, packets: list[Packet]) -> list[int]:
    """Which packets a file has, by their hexadecimal text."""
    text = content.upper()
    return [number for number, packet in enumerate(packets) if packet.data.hex().upper().encode() in text]


def test_every_packet_is_delivered_and_passes_overlap(packets: list[Packet]) -> None:
    files = dict(files_of_day(packets, [], DAY))
    found = [contained(content, packets) for content in files.values()]
    assert set().union(*map(set, found)) == set(range(len(packets)))
    assert sum(map(len, found)) > len(packets), "the end of a pass is sent again"
    assert len(files) == 6


def test_order_inside_a_file_changes_nothing_else(packets: list[Packet]) -> None:
    plain = dict(files_of_day(packets, [], DAY))
    mixed = dict(files_of_day(packets, [], DAY, shuffle=np.random.default_rng(1)))
    assert plain.keys() == mixed.keys()
    assert plain != mixed
    for name in plain:
        assert contained(plain[name], packets) == contained(mixed[name], packets)


def test_faults_are_those_that_were_asked_for(packets: list[Packet]) -> None:
    good = dict(files_of_day(packets, [], DAY))
    damaged = dict(files_of_day(packets, [], DAY, faults=frozenset({Fault.DAMAGED_FILE})))
    (extra,) = damaged.keys() - good.keys()
    assert {name: damaged[name] for name in good} == good, "nothing is lost by it"
    assert any(content.startswith(damaged[extra]) for content in good.values())
    lost = files_of_day(packets, [], DAY, faults=frozenset({Fault.LOST_PACKET}))
    missing = set(range(len(packets))) - set().union(*(set(contained(content, packets)) for _, content in lost))
    (number,) = missing
    assert packets[number].draft.key == (21, 6, 21)


def test_a_file_appears_whole(tmp_path: Path, packets: list[Packet]) -> None:
    folder = tmp_path
    name, content = next(iter(files_of_day(packets, [], DAY)))
    assert write_file(folder, name, content).read_bytes() == content
    assert [path.name for path in folder.iterdir()] == [name]
    assert file_name(0, 0, 1) != file_name(0, 1, 1)
