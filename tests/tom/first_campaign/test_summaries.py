"""The pages count what is in the tables."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
import pytest

from broker_assets.tom.first_campaign.summaries import FIRST, SECOND, lines

pytestmark = pytest.mark.database

DAY = datetime.date(2023, 1, 5)


def of(connection: psycopg.Connection[Any], name: str) -> list[tuple[Any, ...]]:
    return [tuple(float(value) if "Decimal" in type(value).__name__ else value for value in row)
            for row in lines(connection, FIRST[name])]  # fmt: skip


def test_every_line_has_what_the_headings_say(connection: psycopg.Connection[Any]) -> None:
    for name, summary in (*FIRST.items(), *SECOND.items()):
        found = lines(connection, summary)
        assert {len(row) for row in found} <= {len(summary.headings)}, name


def test_what_the_pages_count(connection: psycopg.Connection[Any]) -> None:
    assert of(connection, "summary") == [("Broker v1 c1", 30, 15), ("Broker v1 c2", 20, 10)]
    assert of(connection, "adminsummary") == [(111, 10, "Ia", 2), (112, 20, "Ib/c", 1)]
    (sent,) = of(connection, "alertstreamhists")
    assert sent[:6] == (DAY, 10, 0, 10, 0, 0)
    assert of(connection, "brokerstreamgraphs") == [("Broker", DAY, 15, 50)]
    # Object 2, whose five alerts were sent, is answered by the first classifier alone.
    assert of(connection, "brokercompletenessgraphs") == [
        ("Broker v1 c1", DAY, 10, 10, 100.0), ("Broker v1 c2", DAY, 10, 5, 50.0),
    ]  # fmt: skip
    versus = of(connection, "brokercompletenessvsndets")
    assert [row for row in versus if row[0].endswith("c2")] == [
        ("Broker v1 c2", number, 2, 1, 50.0) for number in range(1, 6)
    ]
    assert of(connection, "tmpbrokeralerthists") == [("Broker", DAY, 10)]
    ((broker, median, most, largest, messages),) = of(connection, "brokertimedelays")
    assert (broker, messages, largest) == ("Broker", 10, 36_000 - 100 * 60)
    assert median <= most <= largest
    # The first classifier is sure of Ia in its newest messages, the second one of Ib/c but for objects 1 and 3.
    assert of(connection, "latestconfmatrix") == [
        ("Broker v1 c1", 111, 111, 2, 100.0), ("Broker v1 c1", 112, 111, 1, 100.0),
        ("Broker v1 c2", 111, 112, 2, 100.0),
    ]  # fmt: skip
    probabilities = of(connection, "probvsclassandt")
    assert ("Broker v1 c1", 111, 111, "10 to 15", 0.925, 2) in probabilities
