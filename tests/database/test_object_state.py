"""Columns of objects follow the alerts that the objects are stored as."""

from __future__ import annotations

import psycopg
import pyarrow as pa
import pytest

from broker_assets.database.object_state import restore_state

pytestmark = pytest.mark.database


def test_only_objects_that_are_as_the_alert_left_them_change(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO objects (diaobjectid, survey, broughtby, associationid, ebv)"
        " VALUES (1, 1, 10, 5, 0.5), (2, 1, 21, 5, 0.5), (3, 1, 30, 7, 0.5)"
    )
    rows = pa.table({"diaobjectid": [1, 2, 3, 4], "diasourceid": [10, 20, 30, 40], "associationid": [7, 7, 7, 7]})
    assert restore_state(connection, rows) == 1
    found = connection.execute("SELECT diaobjectid, associationid, ebv FROM objects ORDER BY 1").fetchall()
    assert found == [(1, 7, 0.5), (2, 5, 0.5), (3, 7, 0.5)]
    # twice in a transaction
    assert restore_state(connection, rows.slice(1, 1)) == 0
    assert restore_state(connection, rows.slice(0, 0)) == 0
