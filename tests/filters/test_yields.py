"""What filters passed, night by night."""

from __future__ import annotations

import datetime

import pytest
from stored_filters import NIGHT, add_batch, add_run

from broker_assets.database import engine
from broker_assets.filters.yields import newest_yield, recent_nights, usual, yields_of

pytestmark = pytest.mark.database


def test_batches_that_were_replaced_do_not_count(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        nights = [NIGHT + datetime.timedelta(days=days) for days in range(3)]
        for night, matches in zip(nights, (5, 0, 7), strict=True):
            batch = add_batch(connection, night=night)
            if matches:
                add_run(connection, batch, 1, matches, night=night, over=1)
        add_run(connection, add_batch(connection, night=NIGHT), 1, 2, problem="time")
        replaced = add_batch(connection, night=NIGHT)
        add_run(connection, replaced, 1, 100)
        connection.execute("UPDATE ingest_batch_facts SET replaced_by = 1 WHERE ingestid = %s", (replaced,))
        [found] = yields_of(connection, NIGHT.isoformat())
        assert (found.matches, found.over, found.problems, found.starved, found.message) == (7, 1, 1, 0, "time!")
        assert newest_yield(connection) == {1: 7}
        assert [item.night for item in recent_nights(connection, 1, 1)] == [nights[2].isoformat()]
        assert usual(connection, "2025-11-30") == {1: [7, 0, 7]}
        assert usual(connection, nights[1].isoformat()) == {1: [7]}
