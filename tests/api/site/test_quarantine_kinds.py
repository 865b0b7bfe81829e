"""Which files and sinks wait for an operator; the page that settles them is tested in `test_operating`."""

from __future__ import annotations

import pytest
from queued_messages import add_sink, queue

from broker_assets.api.site.quarantine_kinds import waiting
from broker_assets.database.engine import connect

pytestmark = pytest.mark.database


def test_only_what_was_given_up_waits(module_database_url: str) -> None:
    with connect(module_database_url, autocommit=True) as connection:
        add_sink(connection, target="https://broker.example/quiet")
        refused = add_sink(connection, target="https://broker.example/refused", filterid=2)
        queue(connection, [11], filterid=2)
        connection.execute("UPDATE deliveries SET state = 'dead', failure = 'refused'")
        connection.execute(
            "INSERT INTO telemetry_file (folder, url, name, version, size, state) SELECT 'f', 'f/' || s, s, 1, 9, s"
            " FROM unnest(ARRAY['new', 'staged', 'processed', 'failed', 'quarantined', 'dismissed']) AS s"
        )
        found = waiting(connection, connection)
    assert [one.name for one in found["files"]] == ["quarantined", "failed"]
    assert [(one.sinkid, one.dead) for one in found["sinks"]] == [(refused, 1)]
