"""Notices of events from a stream, each exactly once."""

from __future__ import annotations

import base64
import datetime
import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from event_notices import einstein_probe, icecube
from whole_sky_notice import sky_map

from broker_assets.accounting import ledger, quarantine
from broker_assets.database import engine
from broker_assets.settings import InputLimits, MovingListSettings
from broker_assets.stream.notices import moving_list_topic, notice_topic, read_notices
from broker_assets.stream.one_by_one import retry_each

pytestmark = pytest.mark.database
TOPIC = "igwn.gwalert"


def notice(event: str = "S1", kind: str = "PRELIMINARY", minute: int = 0, *, binary: bool = False) -> bytes:
    """A notice as GCN sends it."""
    now = datetime.datetime.now(datetime.UTC)
    content = sky_map(name="MS1")
    record: dict[str, Any] = {
        "superevent_id": event,
        "alert_type": kind,
        "time_created": f"2026-11-20T10:{minute:02d}:00Z",
        "urls": {"gracedb": "https://example.org/S1"},
        "event": None
        if kind == "RETRACTION"
        else {
            "time": now.isoformat().replace("+00:00", "Z"),
            "far": 1e-9,
            "classification": {"BNS": 0.9, "Terrestrial": 0.1},
            "skymap": content if binary else base64.b64encode(content).decode(),
        },
    }
    if not binary:
        return json.dumps(record).encode()
    schema = fastavro.parse_schema(
        {
            "type": "record",
            "name": "alert",
            "fields": [
                {"name": "superevent_id", "type": "string"},
                {"name": "alert_type", "type": "string"},
                {"name": "time_created", "type": "string"},
                {"name": "urls", "type": {"type": "map", "values": "string"}},
                {
                    "name": "event",
                    "type": [
                        "null",
                        {
                            "type": "record",
                            "name": "event",
                            "fields": [
                                {"name": "time", "type": "string"},
                                {"name": "far", "type": "double"},
                                {"name": "classification", "type": {"type": "map", "values": "double"}},
                                {"name": "skymap", "type": "bytes"},
                            ],
                        },
                    ],
                },
            ],
        }
    )
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, [record])
    return buffer.getvalue()


def check_read(source: Any, database_url: str, topic: str) -> None:
    """Versions, a retraction, a duplicate and something else, read exactly once."""
    done = read_notices(source, database_url, notice_topic(topic), idle_seconds=0.5)
    assert (done.stored, done.duplicate, done.quarantined) == (3, 1, 1)
    with engine.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT otherid, active, retracted_at IS NOT NULL FROM mma_areas ORDER BY mw_id"
        ).fetchall()
        assert rows == [("S1", False, True), ("S1", False, True)]
        assert ledger.positions(connection, topic) == {0: 5}
        [(payload, offset)] = connection.execute('SELECT payload, "offset" FROM quarantine').fetchall()
        assert (payload, offset) == (b"not a notice", 3)
        [row] = connection.execute(
            "SELECT sum(received), sum(stored), sum(duplicate), sum(quarantined) FROM ingest_batch"
        ).fetchall()
        assert [int(value) for value in row] == [5, 3, 1, 1]
    again = read_notices(source, database_url, notice_topic(topic), idle_seconds=0.3)
    assert (again.stored, again.duplicate, again.quarantined) == (0, 0, 0)


def messages() -> list[bytes]:
    first = notice()
    return [first, notice(kind="UPDATE", minute=5, binary=True), first, b"not a notice",
            notice(kind="RETRACTION", minute=9)]  # fmt: skip


def test_from_a_list(database_url: str, packets: Any) -> None:
    check_read(packets.ListSource.of(messages()), database_url, TOPIC)


@pytest.mark.kafka
def test_from_kafka(database_url: str, kafka: Any, topic: str) -> None:
    from confluent_kafka import Producer

    from broker_assets.resources.kafka import KafkaSource
    from broker_assets.settings import KafkaSettings

    producer = Producer({"bootstrap.servers": kafka})
    for value in messages():
        producer.produce(topic, value, partition=0)
    assert producer.flush(20) == 0
    source = KafkaSource(KafkaSettings(bootstrap_servers=kafka), topic)
    try:
        check_read(source, database_url, topic)
    finally:
        source.close()


@pytest.mark.shared
def test_one_bad_notice_never_blocks_the_topic(database_url: str, packets: Any, shared_folder: Path) -> None:
    folder = shared_folder / "data/sky/field/notice"
    poison = [path.read_bytes() for path in sorted(folder.glob("poison_*.json"))]
    assert len(poison) >= 7
    values = [value for number, bad in enumerate(poison) for value in (bad, notice(f"S{number}"))]
    done = read_notices(packets.ListSource.of(values), database_url, notice_topic(TOPIC), idle_seconds=0.2)
    assert (done.stored, done.quarantined) == (len(poison), len(poison))
    with engine.connect(database_url) as connection:
        kept = connection.execute("SELECT payload FROM quarantine ORDER BY quarantineid").fetchall()
        assert [payload for (payload,) in kept] == poison
        assert ledger.positions(connection, TOPIC) == {0: len(values)}
        assert connection.execute("SELECT count(*) FROM mma_areas WHERE active").fetchone() == (len(poison),)


def test_limits_are_settings(database_url: str, packets: Any) -> None:
    good = notice()
    for limits in (InputLimits(notice_bytes=len(good) - 1), InputLimits(sky_map_rows=47)):
        source = packets.ListSource.of([good])
        topic = notice_topic(f"{limits.sky_map_rows}", limits)
        assert read_notices(source, database_url, topic, idle_seconds=0.1).quarantined == 1
    as_is = notice_topic("as is")
    assert read_notices(packets.ListSource.of([good]), database_url, as_is, idle_seconds=0.1).stored == 1


def test_notices_leave_the_quarantine_after_a_fix(database_url: str, packets: Any) -> None:
    small = InputLimits(sky_map_rows=1)
    values = [notice("S1"), b"rubbish", notice("S2")]
    read_notices(packets.ListSource.of(values), database_url, notice_topic(TOPIC, small), idle_seconds=0.1)
    report = retry_each(database_url, notice_topic(TOPIC))
    assert (report.retried, report.stored, report.failed) == (3, 2, 1)
    assert "neither JSON" in next(iter(report.reasons))
    with engine.connect(database_url) as connection:
        assert quarantine.counts(connection) == {(TOPIC, "resolved"): 2, (TOPIC, "retried"): 1}
        assert connection.execute("SELECT otherid FROM mma_areas ORDER BY 1").fetchall() == [("S1",), ("S2",)]
    [waiting] = [entry.quarantineid for entry in _waiting(database_url)]
    assert retry_each(database_url, notice_topic(TOPIC), quarantineids=[waiting + 1]).retried == 0


def _waiting(database_url: str) -> list[quarantine.QuarantineEntry]:
    with engine.connect(database_url) as connection:
        return quarantine.entries(connection)


def test_moving_lists_are_kept_by_ledger_and_quarantine(database_url: str, packets: Any) -> None:
    wanted = MovingListSettings(name="neutrinos", topics=("nu",), days_after=20_000)
    topic = moving_list_topic("nu", wanted)
    values = [icecube(2, "update"), b"<VOEvent/>", icecube(1), icecube(2, "update"), einstein_probe(dec=99.0)]
    done = read_notices(packets.ListSource.of(values), database_url, topic, idle_seconds=0.1)
    assert (done.stored, done.duplicate, done.quarantined) == (2, 1, 2)
    with engine.connect(database_url, autocommit=True) as connection:
        [(notice, topic_name, batch)] = connection.execute(
            "SELECT notice_type, topic, ingestid FROM notice_events JOIN event_notices USING (noticeid)"
        ).fetchall()
        assert (notice, topic_name) == ("update", "nu")
        assert batch is not None
        [bad] = [entry for entry in quarantine.entries(connection, topic="nu") if b"VOEvent" not in entry.payload]
        assert "not a position" in bad.reason
        connection.execute(
            "UPDATE quarantine SET payload = %s WHERE quarantineid = %s", (einstein_probe(), bad.quarantineid)
        )
    report = retry_each(database_url, topic)
    assert (report.retried, report.stored, report.failed) == (2, 1, 1)
