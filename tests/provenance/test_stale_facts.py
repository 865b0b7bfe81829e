"""Marks of stale facts are nights that are stale, until they are cleared."""

from __future__ import annotations

import psycopg
import pytest

from broker_assets.provenance import versions
from broker_assets.provenance.stale_facts import clear, mark_nights, marked
from broker_assets.provenance.versions import Artefact, Input

pytestmark = pytest.mark.database


def test_marked_nights_are_stale_with_what_descends_from_them(connection: psycopg.Connection) -> None:
    for asset in ("matches", "features"):
        for number, night in enumerate(("2026-01-01", "2026-01-02"), 1):
            connection.execute(
                "INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, version, rows, checksum)"
                " VALUES (%s, %s, %s, 'x', '1', 5, 0)",
                (number, night, asset),
            )
            inputs = (Input(asset="matches", partition=night, data_version="v"),) if asset == "features" else ()
            versions.record(
                connection, [Artefact(asset=asset, partition=night, data_version="v", code_version="1", inputs=inputs)]
            )
    assert versions.stale(connection) == []
    connection.execute(
        "INSERT INTO stale_facts (diaobjectid, diasourceid, night, asset, reason) VALUES"
        " (7, 70, '2026-01-01', 'matches', 'sources of a have changed'),"
        " (7, 71, '2026-01-01', 'matches', 'sources of a have changed')"
    )
    found = [(item.asset, item.partition, item.cause, item.reason) for item in versions.stale(connection)]
    assert found == [
        ("matches", "2026-01-01", "objects", "sources of a have changed"),
        ("features", "2026-01-01", "upstream", "input matches of 2026-01-01 is stale"),
    ]
    assert mark_nights(connection, ["matches", "others"], ["2026-01-02", "2026-01-03"], "the rules have changed") == 1
    # A mark of object 0 is of every alert of the night.
    every = "SELECT DISTINCT asset, night::text, diaobjectid FROM stale_facts ORDER BY 1, 2"
    assert connection.execute(every).fetchall() == [("matches", "2026-01-01", 7), ("matches", "2026-01-02", 0)]
    alerts = marked(connection, ["matches", "features"], "2026-01-01")
    assert alerts is not None
    assert [one.tolist() for one in alerts] == [[7, 7], [70, 71]]
    assert marked(connection, ["matches"], "2026-01-02") is None
    assert clear(connection, ["matches"], "2026-01-01") == 2
    assert clear(connection, ["features"], "2026-01-02") == 0
    assert clear(connection, ["matches"], "2026-01-02") == 1
    assert versions.stale(connection) == []
