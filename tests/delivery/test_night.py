"""The messages of a night have a version that depends on which they are, not on their order."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from queued_messages import NIGHT, add_sink, queue

from broker_assets.delivery.night import count_night

pytestmark = pytest.mark.database


def test_a_night_is_counted(connection: psycopg.Connection[Any]) -> None:
    assert count_night(connection, NIGHT.isoformat()) == (0, 0, 0, {})
    add_sink(connection)
    queue(connection, [11, 12, 21])
    rows, objects, checksum, states = count_night(connection, NIGHT.isoformat())
    assert (rows, objects, states) == (3, 2, {"pending": 3})
    connection.execute("TRUNCATE deliveries, delivery_identities")
    queue(connection, [21, 12, 11])
    assert count_night(connection, NIGHT.isoformat())[2] == checksum
    queue(connection, [31])
    assert count_night(connection, NIGHT.isoformat())[2] != checksum
