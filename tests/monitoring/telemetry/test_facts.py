"""Facts of telemetry over rows as the platform writes them; what they mean is tested with the judgements."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from telemetry_records import FOLDER, Records

from broker_assets.database.engine import connect
from broker_assets.database.tables import notification, telemetry_quarantine
from broker_assets.monitoring.telemetry.facts import HISTORY_HOURS, Look, kernels_of, packets_by_family
from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.reception.packet_store import NewPacket, PacketStore

NOW = datetime.datetime(2024, 6, 1, 12, 30, tzinfo=datetime.UTC)


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    return Records(database_url, tmp_path, NOW)


@pytest.fixture
def look(records: Records) -> Iterator[Look]:
    """A look that nothing has been read for; rows of the test come before its first question."""
    with connect(records.database.url, autocommit=True) as connection:
        yield Look(connection, records.settings, now=NOW)


@pytest.mark.database
def test_folders_by_state_also_those_without_files(records: Records, look: Look) -> None:
    records.settings.telemetry.incoming.append("sftp://me:secret@gateway/tm")
    for number, state in enumerate(("new", "staging", "staged", "processed", "failed", "quarantined", "gone")):
        more = {"processed_at": records.hours(2.0)} if state == "processed" else {}
        records.file(f"{state}.xml", state, seen=10.0 - number, **more)
    first, other = look.folders
    assert (first.folder, first.new, first.staged, first.processed, first.failed) == (FOLDER, 1, 2, 1, 1)
    assert (first.quarantined, first.gone, first.waiting, first.unreported) == (1, 1, 4, 1)
    assert (first.oldest, first.newest) == (records.hours(10.0), records.hours(2.0))
    assert (other.folder, other.waiting, other.oldest) == ("sftp://me@gateway/tm", 0, None)


@pytest.mark.database
def test_backlog_hour_by_hour(records: Records, look: Look) -> None:
    records.file("a.xml", "processed", seen=5.5, processed_at=records.hours(2.5))
    records.file("b.xml", "new", seen=3.5)
    records.file("c.xml", "gone", seen=20.0)
    backlog = look.backlog
    assert len(backlog) == HISTORY_HOURS + 1
    assert backlog[-7:] == [0, 1, 1, 2, 1, 1, 1], "six hours ago until now"


@pytest.mark.database
def test_reasons_without_their_numbers(records: Records, look: Look) -> None:
    file = records.file("a.xml", "processed")
    for number, hours in ((1, 1.0), (2, 30.0)):
        records.insert(
            telemetry_quarantine, telemetryfileid=file, position=number, reason=f"packet {number} ends at 0x{number}f",
            created_at=records.hours(hours), data=b"",
        )  # fmt: skip
    (found,) = look.bad_packets
    assert (found.reason, found.packets, found.files, found.recent) == ("packet … ends at …", 2, 1, 1)


@pytest.mark.database
def test_days_that_no_clock_can_tell_are_counted_apart(records: Records, look: Look) -> None:
    for day in ("2024-05-30", "2024-05-31", "2001-01-01", "2070-01-01"):
        records.product("LB", day)
    (family,) = look.families
    assert (family.family, family.unsynchronised) == ("quicklook", 2)
    assert (family.first, family.newest) == (datetime.date(2024, 5, 30), datetime.date(2024, 5, 31))
    assert family.packets is None, "there is no packet store here"


@pytest.mark.database
def test_files_that_nothing_was_made_from(records: Records, look: Look) -> None:
    used, unused = records.product("LB", "2024-05-30"), records.product("LB", "2024-05-31", made=3.0)
    level0 = records.product("L0", "2024-05-30", parent=used)
    records.product("L0", "2024-05-20")
    records.product("L1", "2024-05-21")
    assert [file.name for file in look.without_level0] == [unused]
    assert [file.name for file in look.without_level1] == [level0], "days of neighbours count"


@pytest.mark.database
def test_only_open_causes_of_telemetry_are_listed(records: Records, look: Look) -> None:
    for cause, ended in (
        ("check telemetry_register/backlog", None),
        ("check l1_quicklook/complete", None),
        ("check telemetry_register/over", NOW),
        ("check sources/ledger", None),
    ):
        records.insert(notification, fingerprint=cause, subject=f"error: {cause}", body="", cause=cause, ended_at=ended)
    assert [alert.cause for alert in look.alerts] == ["check telemetry_register/backlog", "check l1_quicklook/complete"]


def test_packets_of_a_store_by_family(tmp_path: Path) -> None:
    packets = [
        NewPacket(RawPacket(bytes([n]), "a", n, n), key, n, n, n, n, request)
        for n, (key, request) in enumerate(
            [((21, 6, 30), None), ((21, 6, 31), None), ((21, 6, 21), (1, 2)), ((3, 25, 1), None), ((17, 2, None), None)]
        )
    ]
    with PacketStore(tmp_path) as store:
        store.add(packets)
    assert packets_by_family(tmp_path) == {"quicklook": 2, "science": 1, "housekeeping": 1, "auxiliary": 1}
    assert packets_by_family(tmp_path / "nothing") is None
    (tmp_path / "index.sqlite").write_bytes(b"no database at all")
    assert packets_by_family(tmp_path) is None


def test_kernels_that_are_not_there(tmp_path: Path) -> None:
    assert "BROKER_TELEMETRY__KERNELS" in kernels_of(None).detail
    found = kernels_of(tmp_path)
    assert (found.names, found.flown_until) == ((), None)
    assert "no meta-kernel" in found.detail


@pytest.mark.database
def test_an_empty_platform_has_no_facts_but_answers(look: Any) -> None:
    assert isinstance(look.connection, psycopg.Connection)
    assert look.families == look.troubled == look.bad_packets == look.stale == look.incomplete == look.alerts == []
    assert look.oldest_unreported is None
    assert set(look.backlog) == {0}
