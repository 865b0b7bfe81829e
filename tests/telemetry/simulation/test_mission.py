"""A simulated mission: reproducible, readable packet by packet, and with the faults that are asked for."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path

import pytest

from broker_assets.telemetry import BadPacket, RawPacket
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
from broker_assets.telemetry.packets.files import read
from broker_assets.telemetry.packets.headers import parse_primary
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import Received, receive
from broker_assets.telemetry.simulation import Fault, Mission, write_mission

START = datetime.date(2024, 5, 11)


def packets_of(mission: Mission) -> list[RawPacket | BadPacket]:
    """Every packet of every file, in the order of delivery."""
    return [packet for path in mission.files for packet in read(path)]


def received(mission: Mission, folder: Path) -> list[Received]:
    """The files in a packet store."""
    databases = InstrumentDatabases(mission.databases)
    with PacketStore(folder) as store:
        return [receive(path, store, databases) for path in mission.files]


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(mission: Mission, tmp_path: Path) -> None:
    """Kernels and databases too; another seed gives other packets."""
    again = write_mission(tmp_path / "again", start=START, days=2, seed=4)
    assert contents(again.folder) == contents(mission.folder)
    other = write_mission(tmp_path / "other", start=START, days=1, seed=5)
    assert other.files[0].name == mission.files[0].name
    assert other.files[0].read_bytes() != mission.files[0].read_bytes()


def test_a_day_is_the_same_however_many_follow(mission: Mission, tmp_path: Path) -> None:
    """The first day of two is the only day of one."""
    short = write_mission(tmp_path, start=START, days=1, seed=4)
    assert [path.name for path in short.files] == [path.name for path in mission.files[:6]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(short.files, mission.files, strict=False))


def test_every_packet_is_stored_once(mission: Mission, tmp_path: Path) -> None:
    """Files overlap: more packets arrive than are new; none is bad."""
    results = received(mission, tmp_path)
    assert not any(result.bad for result in results)
    assert sum(result.new for result in results) == mission.packets
    assert sum(result.packets for result in results) > mission.packets + 100
    assert all(result.new for result in results)


def test_sequence_counts_have_no_holes(mission: Mission) -> None:
    """Each process of the instrument counts by itself."""
    counts: dict[int, set[int]] = {}
    for packet in packets_of(mission):
        assert isinstance(packet, RawPacket)
        header = parse_primary(packet.data)
        counts.setdefault(header.process_id << 4 | header.packet_category, set()).add(header.sequence_count)
    assert len(counts) >= 5
    assert all(found == set(range(len(found))) for found in counts.values())


def test_shuffled_files_hold_the_same_packets(mission: Mission, tmp_path: Path) -> None:
    """Only the order inside the files differs."""
    shuffled = write_mission(tmp_path, start=START, days=2, seed=4, shuffled=True)
    changed = 0
    for ordered, mixed in zip(mission.files, shuffled.files, strict=True):
        a, b = ([packet.data for packet in read(path)] for path in (ordered, mixed))
        assert Counter(a) == Counter(b)
        changed += a != b
    assert changed == len(mission.files)


def test_damaged_file_loses_nothing(mission: Mission, tmp_path: Path) -> None:
    """A file ends in the middle of a packet, which another file has."""
    damaged = write_mission(tmp_path / "mission", start=START, seed=4, faults=[Fault.DAMAGED_FILE])
    results = received(damaged, tmp_path / "packets")
    assert len(damaged.files) == 7
    assert sum(result.new for result in results) == damaged.packets
    assert [len(result.bad) for result in results].count(1) == 1
    assert sum(len(result.bad) for result in results) == 1


@pytest.mark.parametrize("fault", [Fault.WRONG_LENGTH, Fault.LOST_PACKET])
def test_one_packet_is_lost(mission: Mission, tmp_path: Path, fault: Fault) -> None:
    """A short report is bad wherever it is sent; a packet that was never received is only missing."""
    faulty = write_mission(tmp_path / "mission", start=START, seed=4, faults=[fault])
    whole = write_mission(tmp_path / "whole", start=START, seed=4)
    results = received(faulty, tmp_path / "packets")
    assert sum(result.new for result in results) == faulty.packets == whole.packets - 1
    assert sum(len(result.bad) for result in results) == (fault is Fault.WRONG_LENGTH)


def test_unsynchronised_clock(tmp_path: Path) -> None:
    """Some reports say that the clock was not synchronised."""
    faulty = write_mission(tmp_path, start=START, seed=4, faults=[Fault.UNSYNCHRONISED])
    late = {packet.data for packet in packets_of(faulty) if isinstance(packet, RawPacket) and packet.data[10] >> 7}
    assert len(late) == 3


def test_days_outside_the_mission(tmp_path: Path) -> None:
    """Before launch there is nothing to simulate; a folder takes one mission."""
    with pytest.raises(ValueError, match="not between"):
        write_mission(tmp_path, start=datetime.date(2019, 1, 1))
    (tmp_path / "incoming").mkdir()
    with pytest.raises(FileExistsError, match="has a mission already"):
        write_mission(tmp_path, start=START)


def test_flares_move_the_attenuator(mission: Mission) -> None:
    """Each day has a flare that moves it, and only while it is strong."""
    sun_days = {int(flare.start) // 86400 for flare in mission.flares}
    assert len(sun_days) == 2
    assert min(flare.size for flare in mission.flares) < 3000 < 15000 < max(flare.size for flare in mission.flares)
