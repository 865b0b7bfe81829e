"""What is asked of both sides of the border; that the rows are right is in `tests/cold/test_months.py`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.database import border
from broker_assets.database.border import Border
from broker_assets.database.tables import diasources

YEAR = Border("nowhere", ((100.0, 130.0), (130.0, 160.0)), frozenset())


@pytest.mark.parametrize(
    ("conditions", "months"),
    [
        ([], 2),
        ([[("midpointmjdtai", ">=", 160.0)]], 0),
        ([[("midpointmjdtai", ">=", 159.0)]], 1),
        ([[("midpointmjdtai", "<", 100.0)]], 1),
        ([[("midpointmjdtai", "<", 99.0)]], 0),
        ([[("midpointmjdtai", ">=", 105.0)], [("midpointmjdtai", "<=", 120.0)]], 1),
        ([[("midpointmjdtai", "=", 135.0)], [("diaobjectid", "=", 7)]], 1),
        ([[("midpointmjdtai", "<", 1.0), ("night", "is null", None)]], 2),
    ],
)
def test_which_months_are_asked_for(conditions: Any, months: int) -> None:
    """A month too many costs time; one too few would lose rows."""
    assert len(YEAR.within(conditions)) == months


def test_the_cold_store_is_not_asked_where_nothing_has_left(database_url: str, tmp_path: Path) -> None:
    """It is out of reach: asking it fails."""
    from broker_assets.database.engine import connect

    with connect(database_url) as connection:
        assert border.border_of(connection, diasources) is None
        found = border.rows(connection, diasources, ["diaobjectid"], [[("diaobjectid", "in", np.array([1, 2]))]])
        assert found.num_rows == 0
        assert border.thaw(connection, datetime.date(2026, 1, 1)) == 0
        absent = (tmp_path / "absent" / "00001.metadata.json").as_uri()
        _one_month_has_left(connection, absent)
        assert border.rows(connection, diasources, ["diaobjectid"], [[("midpointmjdtai", ">=", 200.0)]]).num_rows == 0
        with pytest.raises(FileNotFoundError, match=r"00001\.metadata\.json"):
            border.rows(connection, diasources, ["diaobjectid"], [])


def _one_month_has_left(connection: psycopg.Connection[Any], location: str) -> None:
    connection.execute(
        "INSERT INTO cold_tables (name, metadata_location, snapshotid) VALUES ('diasources', %s, 1)", (location,)
    )
    connection.execute(
        "INSERT INTO cold_months (name, month, begins, ends, rows, checksum, snapshotid)"
        " VALUES ('diasources', '1859-01-01', 100, 130, 1, 1, 1)"
    )
