"""Distributions that are compared with those of earlier nights; features and statistics have tests of their own."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from broker_assets.checks.alerts.drift import as_usual
from broker_assets.checks.definition import evidence
from broker_assets.database.tables import object_statistics
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

pytestmark = pytest.mark.database
NIGHT = date(2024, 5, 9)


def test_only_the_rows_that_count_are_compared(database_url: str) -> None:
    database = Database(database_url)
    days = [NIGHT - timedelta(days=day) for day in range(9)]
    with database.engine.begin() as connection:
        for day in days:
            for band, value in (("g", 1.0), ("r", 5.0 if day == NIGHT else 1.0)):
                row = {"diaobjectid": 1, "night": day, "band": band, "diasourceid": 1, "eta": value}
                connection.execute(sa.insert(object_statistics), row)
    known = sa.union(*(sa.select(sa.cast(sa.literal(day.isoformat()), sa.Date).label("night")) for day in days))
    with evidence(database, ObjectStore("memory://")) as found:
        for band, passed in (("g", True), ("r", False)):
            verdict = as_usual(
                found, object_statistics, ("eta",), NIGHT, known.subquery("known"), what="rows",
                only=object_statistics.c.band == band,
            )  # fmt: skip
            assert verdict.passed == passed, band
