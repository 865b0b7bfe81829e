"""Nights are compared with the nights before them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from broker_assets.checks.alerts.unusual_nights import LEAST_NIGHTS, alerts_as_usual, nulls_as_usual, unusual
from broker_assets.checks.definition import Verdict, evidence
from broker_assets.database import partitions
from broker_assets.database.engine import connect
from broker_assets.database.tables import BOOKKEEPING, diaforcedsources, diasources, ingest_batch, ingest_batch_night
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

BEGIN = date(2024, 5, 1)


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


def ledger(database: Database, counts: list[int], topic: str = "rubin-alerts", begin: date = BEGIN) -> None:
    """One batch a night with so many alerts."""
    with database.engine.begin() as connection:
        for i, count in enumerate(counts):
            ingestid = connection.scalar(
                sa.insert(ingest_batch).returning(ingest_batch.c.ingestid),
                {
                    "topic": topic,
                    "kind": "stream",
                    "code_version": "1",
                    "started_at": datetime.now(UTC),
                    "received": count,
                    "stored": count,
                },
            )
            night = begin + timedelta(days=i)
            connection.execute(sa.insert(ingest_batch_night), {"ingestid": ingestid, "night": night, "stored": count})


def rate(database: Database, night: date) -> Verdict:
    with evidence(database, ObjectStore("memory://")) as found:
        return alerts_as_usual(found, [night.isoformat()])[night.isoformat()]


def test_one_bad_night_hides_nothing() -> None:
    earlier = np.array([3.0, 3.1, 2.9, 3.0, 3.05, 0.0, 3.0, 2.95])
    assert abs(unusual(3.0, earlier, smallest_spread=0.1) or 0.0) < 1
    assert (unusual(1.0, earlier, smallest_spread=0.1) or 0.0) < -5


@pytest.mark.database
@pytest.mark.parametrize(
    ("tonight", "passed"), [(10_000, True), (5_000, True), (20_000, True), (100, False), (1_000_000, False), (0, False)]
)
def test_rates(database: Database, tonight: int, passed: bool) -> None:
    ledger(database, [9_000, 11_000, 10_000, 10_500, 9_500, 10_000, 8_000, 12_000, tonight])
    verdict = rate(database, BEGIN + timedelta(days=8))
    assert verdict.passed == passed
    assert verdict.severity.value == "WARN"
    if not passed:
        assert "usually 10000" in verdict.description


@pytest.mark.database
def test_too_few_nights_say_nothing(database: Database) -> None:
    ledger(database, [10_000] * (LEAST_NIGHTS - 1) + [1])
    verdict = rate(database, BEGIN + timedelta(days=LEAST_NIGHTS - 1))
    assert verdict.passed
    assert verdict.description == "too few nights"


@pytest.mark.database
def test_night_that_still_grows_is_not_too_low(database: Database) -> None:
    today = date.today()
    ledger(database, [10_000] * 10 + [5], begin=today - timedelta(days=10))
    assert rate(database, today).passed
    ledger(database, [10_000_000], begin=today)
    assert not rate(database, today).passed


@pytest.mark.database
def test_each_topic_for_itself(database: Database) -> None:
    ledger(database, [10_000] * 9)
    ledger(database, [100] * 8 + [10_000], topic="ztf-alerts")
    verdict = rate(database, BEGIN + timedelta(days=8))
    assert "of ztf-alerts" in verdict.description
    assert "of rubin-alerts" not in verdict.description


def source_rows(connection: Any, night: date, *, missing: float, kept: float = 0.0, rows: int = 200) -> None:
    """Sources of a night: shares of those without flux, and of those that came with the history of another."""
    mjd = 60_431.0 + (night - BEGIN).days + 0.3
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, survey, night, psfflux, archivefileid,"
            " ingestid, broughtby, timeprocessedmjdtai) VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s, %s)",
            [
                (i, i, mjd + i * 1e-6, night, None if i < missing * rows else 1.0)
                + (None if i < kept * rows else 1,) * 4
                for i in range(rows)
            ],
        )


@pytest.mark.database
def test_shares_of_nulls(database: Database) -> None:
    ledger(database, [200] * 10)
    with connect(database.url) as connection:
        partitions.ensure(connection, np.array([60_431.0, 60_445.0]))
        for i in range(9):
            source_rows(connection, BEGIN + timedelta(days=i), missing=0.02)
        source_rows(connection, BEGIN + timedelta(days=9), missing=0.5)
    check = nulls_as_usual(diasources)
    with evidence(database, ObjectStore("memory://")) as found:
        keys = [(BEGIN + timedelta(days=i)).isoformat() for i in (3, 8, 9)]
        verdicts = check.judge(found, keys)
    assert [verdicts[key].passed for key in keys] == [True, True, False]
    assert verdicts[keys[0]].description.startswith("too few nights")
    assert "psfflux (survey 1): 50.0% null, usually 2.0%" in verdicts[keys[2]].description


@pytest.mark.database
def test_rows_that_came_with_the_history_of_others_are_no_alarm(database: Database) -> None:
    """They have no place in the archive, whatever the sky was like."""
    ledger(database, [200] * 10)
    with connect(database.url) as connection:
        partitions.ensure(connection, np.array([60_431.0, 60_445.0]))
        for i in range(10):
            source_rows(connection, BEGIN + timedelta(days=i), missing=0.02, kept=0.9 if i == 9 else 0.0)
    night = (BEGIN + timedelta(days=9)).isoformat()
    with evidence(database, ObjectStore("memory://")) as found:
        verdict = nulls_as_usual(diasources).judge(found, [night])[night]
    assert verdict.passed, verdict.description
    assert verdict.description == "as in 9 earlier nights"


@pytest.mark.parametrize("table", [diasources, diaforcedsources])
def test_only_what_was_measured_is_compared(table: sa.Table) -> None:
    compared = int(nulls_as_usual(table).description.partition(" columns")[0].rpartition(" ")[2])
    measured = [column.name for column in table.columns if column.nullable and column.name not in BOOKKEEPING]
    assert compared == len(measured)
    assert {"psfflux", "ra", "visit"} <= set(measured)
    assert not {"archivefileid", "ingestid", "broughtbymjdtai", "night", "timeprocessedmjdtai"} & set(measured)
