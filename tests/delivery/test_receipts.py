"""What became of the messages of a filter."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from queued_messages import add_sink, queue

from broker_assets.delivery import receipts

pytestmark = pytest.mark.database


def test_messages_are_counted_and_shown_with_their_sink(connection: psycopg.Connection[Any]) -> None:
    sink, other = add_sink(connection), add_sink(connection, filterid=2)
    queue(connection, [11, 12, 21])
    queue(connection, [31], filterid=2)
    connection.execute("UPDATE deliveries SET state = 'dead', failure = 'no' WHERE diasourceid = 12")
    assert receipts.counts(connection, 1) == {sink: {"pending": 2, "dead": 1}}
    assert receipts.counts(connection, 2) == {other: {"pending": 1}}
    [dead] = receipts.newest(connection, 1, state="dead")
    assert (dead["failure"], dead["target"], dead["diaobjectid"]) == ("no", "https://ann.example/", 1)
    assert [row["deliveryid"] for row in receipts.newest(connection, 1, limit=1)] > [dead["deliveryid"]]
    every = [row["deliveryid"] for row in receipts.newest(connection, 1)]
    foreign = receipts.newest(connection, 2)[0]["deliveryid"]
    assert receipts.of_filter(connection, 1, [*every, foreign]) == sorted(every)
