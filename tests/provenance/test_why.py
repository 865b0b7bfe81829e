"""Any row tells where it comes from."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
import pytest

from broker_assets.accounting import ledger
from broker_assets.accounting.ledger import ArchiveFileEntry, BatchEntry, Range
from broker_assets.provenance.why import why

pytestmark = pytest.mark.database

NIGHT = datetime.date(2026, 1, 1)
NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def test_a_source_tells_its_packet_batch_and_code(connection: psycopg.Connection[Any]) -> None:
    first = ledger.open_batch(
        connection, topic="alerts", kind="stream", code_version="ingest 1", started_at=NOW, run_id="one"
    )
    entry = ArchiveFileEntry(topic="alerts", night=NIGHT, url="file", packets=2, bytes=9, sha256="ab", schema_id="v11")
    (file,) = ledger.add_archive_files(connection, first, [entry])
    ledger.advance(connection, first, "alerts", [Range(partition=3, first_offset=40, next_offset=42, received=2)])
    ledger.close_batch(connection, first, BatchEntry(received=2, stored=2, duplicate=0, quarantined=0))
    again = ledger.open_batch(connection, topic="alerts", kind="reprocess", code_version="ingest 2", started_at=NOW)
    for source, batch, file_of_it in ((8, first, file), (9, again, file), (10, again, None)):
        connection.execute(
            "INSERT INTO diasources (diaobjectid, midpointmjdtai, diasourceid, survey, night, ingestid, archivefileid,"
            " archiveposition, archivelength, broughtby, broughtbymjdtai)"
            " VALUES (1, 61042, %s, 1, %s, %s, %s, %s, 10, %s, 61042)",
            (source, NIGHT, batch, file_of_it, source if file_of_it else None, source if file_of_it else 9),
        )
    (told,) = why(connection, 8)
    assert (told.topic, told.kind, told.code_version, told.run_id) == ("alerts", "stream", "ingest 1", "one")
    assert (told.archive_url, told.archiveposition, told.archive_schema) == ("file", 8, "v11")
    assert told.ranges == (Range(partition=3, first_offset=40, next_offset=42, received=2),)
    assert told.triggered
    (told,) = why(connection, 9)
    assert (told.code_version, told.ingestid, told.archive_ingestid) == ("ingest 2", again, first)
    assert told.ranges[0].partition == 3
    (told,) = why(connection, 10)
    assert (told.triggered, told.broughtby, told.archive_url, told.archiveposition) == (False, 9, "file", 9)
    assert told.ranges[0].partition == 3
    assert why(connection, 11) == []
