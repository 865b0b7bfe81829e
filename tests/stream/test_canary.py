"""Packets of the canary are alerts like others, and its tables can be emptied."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.database import migrations
from broker_assets.database.engine import connect, in_schema
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import schema_source
from broker_assets.stream.canary import SCHEMA, last, packet, prune

NOW = 1_900_000_000.0


def test_packets_are_read_like_those_of_a_survey_and_differ() -> None:
    decoder = AlertDecoder("ztf", "container", schema_source())
    found = decoder.identify([packet(NOW), packet(NOW + 300.0)])
    assert not found.failures
    assert len(set(found.diasourceid.tolist())) == 2


@pytest.mark.parametrize("seed", [65, 126, 454, 850])
def test_there_is_one_every_minute(seed: int) -> None:
    """In these minutes a survey of few objects saw none of them, and the canary could not be sent."""
    now = NOW - NOW % (1024 * 60) + seed * 60
    found = AlertDecoder("ztf", "container", schema_source()).identify([packet(now)])
    assert found.diasourceid.size == 1


@pytest.mark.database
def test_tables_of_the_canary_are_a_schema_of_their_own(database_url: str) -> None:
    migrations.upgrade_schema(database_url, SCHEMA)
    migrations.upgrade_schema(database_url, SCHEMA)
    assert migrations.current(in_schema(database_url, SCHEMA)) == migrations.head()
    assert migrations.check(database_url) == []
    with connect(in_schema(database_url, SCHEMA), autocommit=True) as canary, connect(database_url) as ours:
        assert last(canary, "canary") is None
        canary.execute(
            "INSERT INTO ingest_batch (topic, kind, code_version, started_at, finished_at, received, stored,"
            " latency_max) VALUES ('canary', 'stream', '1', now(), now(), 1, 1, 2.5)"
        )
        found = last(canary, "canary")
        assert found is not None
        assert found.latency == 2.5
        assert last(ours, "canary") is None


@pytest.mark.database
def test_tables_and_files_are_emptied_when_they_have_grown(database_url: str, tmp_path: Path) -> None:
    migrations.upgrade_schema(database_url, SCHEMA)
    file = tmp_path / "canary.avro"
    file.touch()
    with connect(in_schema(database_url, SCHEMA), autocommit=True) as canary, connect(database_url) as ours:
        for connection in (canary, ours):
            connection.execute(
                "INSERT INTO ingest_batch (topic, kind, code_version, started_at)"
                " SELECT 'canary', 'stream', '1', now() FROM generate_series(1, 5)"
            )
        canary.execute("INSERT INTO stream_offset (topic, \"partition\", next_offset) VALUES ('canary', 0, 5)")
        canary.execute(
            "INSERT INTO archive_file (ingestid, topic, night, url, packets, bytes, sha256)"
            " VALUES (1, 'canary', '2024-05-01', %s, 1, 1, '')",
            (file.as_uri(),),
        )
        assert prune(canary, keep=5) == 0
        assert file.exists()
        assert prune(canary, keep=4) == 1
        assert not file.exists()
        counts = [connection.execute("SELECT count(*) FROM ingest_batch").fetchone() for connection in (canary, ours)]
        assert counts == [(0,), (5,)]
        assert canary.execute("SELECT next_offset FROM stream_offset").fetchone() == (5,)
