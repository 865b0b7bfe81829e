"""Statistics out of range."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from broker_assets.checks.alerts.statistics import (
    COMPARED,
    NIGHT_CHECKS,
    RANGES,
    statistics_as_usual,
    statistics_in_range,
)
from broker_assets.checks.definition import evidence
from broker_assets.database.tables import STATISTIC_COLUMNS, artefact, object_statistics
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

pytestmark = pytest.mark.database
NIGHT = date(2024, 5, 1)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("stetsonk", 1.0, 1.5), ("npoints", 1, 0), ("timemean", 61000.0, 0.5), ("mean", -5.0, float("nan")),
        ("bazintime", 61000.0, float("inf")), ("beyond1std", 0.0, -0.5),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_named(database_url: str, name: str, good: float, bad: float) -> None:
    database = Database(database_url)

    def violations(**row: Any) -> Any:
        with database.engine.begin() as connection:
            key = {"diaobjectid": len(name) if row[name] == good else 0, "night": NIGHT, "band": "g", "diasourceid": 1}
            connection.execute(sa.insert(object_statistics), key | row)
        with evidence(database, ObjectStore("memory://")) as found:
            verdict = statistics_in_range(found, [NIGHT.isoformat()])[NIGHT.isoformat()]
        return verdict.metadata.get("violations")

    assert violations(**{name: good}) is None
    assert violations(**{name: bad}) == {name: 1}


def test_ranges_are_those_of_statistics() -> None:
    assert set(RANGES) <= set(STATISTIC_COLUMNS)
    assert set(COMPARED) <= set(STATISTIC_COLUMNS)
    assert {check.asset for check in NIGHT_CHECKS} == {"object_statistics"}


@pytest.mark.parametrize(
    ("tonight", "said"),
    [
        ([{"eta": 2.0 + 0.01 * n} for n in range(10)], None),
        ([{"eta": 0.5}] * 10, "median eta: 0.5, usually 2.03"),
        ([{"eta": 2.0}] * 5 + [{}] * 5, "share with eta: 50.0%, usually 100.0%"),
    ],
)
def test_a_drift_over_all_bands_is_named(database_url: str, tonight: list[dict[str, Any]], said: str | None) -> None:
    database = Database(database_url)

    def write(night: date, rows: list[dict[str, Any]], *, recorded: bool) -> None:
        with database.engine.begin() as connection:
            for number, row in enumerate(rows):
                key = {"diaobjectid": number, "night": night, "diasourceid": 1}
                connection.execute(sa.insert(object_statistics), key | {"band": "all"} | row)
                connection.execute(sa.insert(object_statistics), key | {"band": "g", "eta": 9.0})
            if recorded:
                made = {"asset": "object_statistics", "partition": night.isoformat(), "data_version": "v"}
                connection.execute(sa.insert(artefact), made | {"code_version": "1"})

    def judged() -> Any:
        with evidence(database, ObjectStore("memory://")) as found:
            return statistics_as_usual(found, [last.isoformat()])[last.isoformat()]

    last = NIGHT + timedelta(days=8)
    for day in range(8):
        write(NIGHT + timedelta(days=day), [{"eta": 2.0 + 0.01 * (n % 9)} for n in range(10)], recorded=True)
    assert judged().description == "no statistics"
    write(last, tonight, recorded=False)
    verdict = judged()
    assert verdict.passed == (said is None)
    assert (said or "as in 8 earlier nights") in verdict.description
