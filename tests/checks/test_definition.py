"""Checks before they are Dagster's: verdicts by night, on a snapshot that cannot be changed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from dagster import AssetCheckSeverity, AssetKey, DagsterInstance

from broker_assets.checks.alerts import NIGHT_CHECKS
from broker_assets.checks.alerts.ledger import STREAM_CHECKS
from broker_assets.checks.definition import (
    Evidence,
    NightCheck,
    StreamCheck,
    Verdict,
    advised,
    dates,
    evidence,
    judge_nights,
    newest_materialisations,
    night_evaluations,
)
from broker_assets.resources.object_store import ObjectStore

pytestmark = pytest.mark.database

NIGHTS = ["2025-11-20", "2025-11-21"]


def store(platform: Any) -> ObjectStore:
    return ObjectStore.of(platform.settings)


def bad_first(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    return {NIGHTS[0]: Verdict(False, "a row is missing", metadata={"rows": 1})}


def sleepy(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    found.connection.execute(sa.text("SELECT pg_sleep(30)"))
    return {}


def test_a_night_without_a_verdict_has_passed(platform: Any) -> None:
    check = NightCheck("sources", "whole", "Nothing is missing.", bad_first, "look for it")
    with evidence(platform.database, store(platform)) as found:
        assert judge_nights(check, found, []) == {}
        verdicts = judge_nights(check, found, NIGHTS)
    assert [verdicts[night].passed for night in NIGHTS] == [False, True]
    result = verdicts[NIGHTS[0]].result("whole")
    assert (result.check_name, result.passed, result.description) == ("whole", False, "a row is missing")
    assert result.metadata["rows"].value == 1


def test_a_check_cannot_write(platform: Any) -> None:
    with evidence(platform.database, store(platform)) as found:
        assert isinstance(found.driver, psycopg.Connection)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            found.driver.execute("DELETE FROM ingest_batch")


def test_a_check_that_takes_too_long_is_a_warning_and_hinders_no_other(platform: Any) -> None:
    checks = [
        NightCheck("sources", "slow", "Sleeps.", sleepy, "wait"),
        NightCheck("sources", "whole", "Nothing is missing.", bad_first, "look for it"),
    ]
    found = list(night_evaluations(checks, platform.instance, platform.database, store(platform), NIGHTS, seconds=0.2))
    assert [(item.check_name, item.partition, item.passed) for item in found] == [
        ("slow", NIGHTS[0], False),
        ("slow", NIGHTS[1], False),
        ("whole", NIGHTS[0], False),
        ("whole", NIGHTS[1], True),
    ]
    assert [item.severity for item in found[:3]] == [
        AssetCheckSeverity.WARN,
        AssetCheckSeverity.WARN,
        AssetCheckSeverity.ERROR,
    ]
    assert not any(item.blocking for item in found), "a check inside a run stops nothing"


def test_an_evaluation_names_what_it_looked_at(platform: Any, survey: Any) -> None:
    platform.append(list(survey(objects=3, visits=2).packets()))
    platform.drain()
    check = NightCheck("sources", "whole", "Nothing is missing.", bad_first, "look for it")
    (night,) = {record.asset_materialization.partition for record in platform.materialisations("sources")}
    (item,) = night_evaluations([check], platform.instance, platform.database, store(platform), [night])
    newest = platform.materialisations("sources")[0]
    assert item.target_materialization_data is not None
    assert item.target_materialization_data.storage_id == newest.storage_id
    with DagsterInstance.ephemeral() as empty:
        assert newest_materialisations(empty, "sources", NIGHTS) == {}
    assert newest_materialisations(platform.instance, "sources", []) == {}


def test_keys_become_dates_in_order() -> None:
    assert dates(reversed(NIGHTS)) == [datetime.date(2025, 11, 20), datetime.date(2025, 11, 21)]
    with pytest.raises(ValueError, match="month must be in"):
        dates(["2025-13-01"])


@pytest.mark.parametrize("check", [*NIGHT_CHECKS, *STREAM_CHECKS], ids=lambda check: check.name)
def test_every_check_says_what_to_do(check: NightCheck | StreamCheck) -> None:
    assert len(check.next_step) > 20


def test_next_step_is_shown_with_a_failure_only() -> None:
    failed, passed = advised(Verdict(False, "2 are missing"), "look"), advised(Verdict(True, "none"), "look")
    assert failed.shown == {"next step": "look"}
    assert passed.shown == {}
    assert advised(Verdict(False, "", next_step="its own"), "look").next_step == "its own"
    event = failed.evaluation(AssetKey("sources"), "whole", "2024-05-01")
    assert (event.partition, event.metadata["next step"].value, event.blocking) == ("2024-05-01", "look", False)
