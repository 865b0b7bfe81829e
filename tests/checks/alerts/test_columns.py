"""Rules follow from the declarations of the columns, and find what violates them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import AssetCheckSeverity

from broker_assets.checks.alerts.columns import NIGHT_CHECKS, rules, violations
from broker_assets.checks.definition import Verdict, evidence
from broker_assets.database.tables import BOOKKEEPING, diaforcedsources, diasources, objects
from broker_assets.resources.object_store import ObjectStore

FIRST, SECOND = "2025-11-20", "2025-11-21"


def test_essential_columns_have_rules() -> None:
    for table in (diasources, diaforcedsources):
        assert {"ra", "decl", "midpointmjdtai", "band", "psffluxerr"} <= rules(table).keys()
    assert {"ra", "decl"} <= rules(objects).keys()
    assert rules(diasources)["reliability"][0] == "within [0, 1]"
    assert len(rules(diasources)) > 20


def test_one_check_per_table() -> None:
    assert [(check.asset, check.name) for check in NIGHT_CHECKS] == [
        ("sources", "columns_in_range"),
        ("forced_sources", "columns_in_range"),
        ("objects", "columns_in_range"),
    ]


@pytest.fixture
def drained(platform: Any, survey: Callable[..., Any]) -> Any:
    platform.append(list(survey(objects=5, visits=4).packets()))
    platform.drain()
    platform.execute("UPDATE diasources SET timeprocessedmjdtai = NULL")
    return platform


def judge(platform: Any) -> dict[str, Verdict]:
    with evidence(platform.database, ObjectStore("memory://")) as found:
        return dict(violations(diasources, rules(diasources))(found, [FIRST, SECOND]))


@pytest.mark.database
def test_good_rows_pass(drained: Any) -> None:
    verdicts = judge(drained)
    assert verdicts.keys() == {FIRST, SECOND}
    assert all(verdict.passed for verdict in verdicts.values())


@pytest.mark.database
def test_not_measured_is_no_violation(drained: Any) -> None:
    drained.execute("UPDATE diasources SET trailra = 'NaN', psffluxerr = 'NaN', timewithdrawnmjdtai = 'NaN'")
    assert all(verdict.passed for verdict in judge(drained).values())


@pytest.mark.database
@pytest.mark.parametrize(
    ("change", "words", "severity"),
    [
        ("ra = 360", "ra not within [0, 360)", AssetCheckSeverity.ERROR),
        ("ra = 'NaN'", "ra not within [0, 360)", AssetCheckSeverity.ERROR),
        ("decl = -90.01", "decl not within [-90, 90]", AssetCheckSeverity.ERROR),
        ("decl = 'Infinity'", "decl not within [-90, 90]", AssetCheckSeverity.ERROR),
        ("band = 'Y'", "band not one of u, g, r, i, z, y", AssetCheckSeverity.ERROR),
        ("psffluxerr = -1", "psffluxerr not not negative", AssetCheckSeverity.WARN),
        ("reliability = 1.5", "reliability not within [0, 1]", AssetCheckSeverity.WARN),
        ("trailra = -3", "trailra not within [0, 360)", AssetCheckSeverity.WARN),
    ],
)
def test_violation_is_named(drained: Any, change: str, words: str, severity: AssetCheckSeverity) -> None:
    drained.execute(f"UPDATE diasources SET {change} WHERE diaobjectid = 1 AND night = '{SECOND}'")
    verdicts = judge(drained)
    assert verdicts[FIRST].passed
    assert not verdicts[SECOND].passed
    assert words.replace("not not", "not") in verdicts[SECOND].description.replace("not not", "not")
    assert verdicts[SECOND].severity == severity


@pytest.mark.parametrize("table", [diasources, diaforcedsources, objects])
def test_bookkeeping_has_no_rules(table: sa.Table) -> None:
    """A row that came with the history of another, or that the survey processed again, is no impossible value."""
    assert set(BOOKKEEPING) & {column.name for column in table.columns}
    assert not rules(table).keys() & set(BOOKKEEPING)
