"""Every judgement of telemetry, passed and failed, over rows of a real database."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from telemetry_records import Records

from broker_assets.database.engine import connect
from broker_assets.database.tables import telemetry_quarantine
from broker_assets.monitoring.telemetry import judgements as health
from broker_assets.monitoring.telemetry.facts import Look
from broker_assets.monitoring.telemetry.judgements import Finding

pytestmark = pytest.mark.database

NOW = datetime.datetime(2024, 5, 20, 12, 0, tzinfo=datetime.UTC)


def hours(number: float) -> datetime.datetime:
    """So many hours ago."""
    return NOW - datetime.timedelta(hours=number)


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    return Records(database_url, tmp_path, NOW)


def test_nothing_is_wrong_where_nothing_is(records: Records) -> None:
    with connect(records.database.url) as connection:
        findings = health.judge(Look(connection, records.settings, now=NOW))
    assert findings
    assert [finding.text for finding in findings.values() if not finding.passed] == []


def test_files_that_wait_and_none_processed_is_an_error(records: Records) -> None:
    records.file("young.xml", seen=0.5)
    assert records.judge(health.backlog).passed
    records.file("old.xml", seen=5)
    found = records.judge(health.backlog)
    assert (found.passed, found.severity) == (False, "error")
    assert "2 telemetry files wait, the oldest for 5.0 hours, and none was ever processed" in found.text
    records.file("done.xml", "processed", seen=0.9, processed_at=hours(0.2), reported_at=hours(0.2))
    assert records.judge(health.backlog).passed, "work is going on"


def test_backlog_that_only_grows_is_a_warning(records: Records) -> None:
    records.file("done.xml", "processed", seen=30, processed_at=hours(0.5), reported_at=hours(0.4))
    for number, seen in enumerate((8, 7.5, 5.5, 3.5, 2.5, 0.5)):
        records.file(f"{number}.xml", seen=seen)
    found = records.judge(health.backlog)
    assert (found.passed, found.severity) == (False, "warning")
    assert "grew from 3 to 6 files in 6 hours" in found.text, found.numbers
    for number in range(10):
        # Six hours ago there were many; some went through since, so it shrank in between.
        records.file(f"through-{number}.xml", "processed", seen=9, processed_at=hours(3.2), reported_at=hours(3))
    assert records.judge(health.backlog).passed


def test_packets_stored_without_products_is_an_error(records: Records) -> None:
    records.file("a.xml", "processed", seen=5, processed_at=hours(1))
    assert records.judge(health.backlog).passed
    records.file("b.xml", "processed", seen=5, processed_at=hours(4))
    records.file("copy.xml", "processed", seen=50, processed_at=hours(40), same_as=1)
    found = records.judge(health.backlog)
    assert (found.passed, found.severity) == (False, "error")
    assert "products of 2 files are not made" in found.text


def test_failing_files_are_named_with_their_reasons(records: Records) -> None:
    records.file("good.xml", "processed", processed_at=hours(1), reported_at=hours(1))
    assert records.judge(health.failing_files).passed
    records.file("copying.xml", copies=2, reason="connection reset")
    records.file("broken.xml", "failed", tries=3, reason="disk is full", next_try=NOW)
    found = records.judge(health.failing_files)
    assert (found.passed, found.severity) == (False, "warning")
    assert "broken.xml (3 tries: disk is full)" in found.text
    assert "copying.xml (2 tries: connection reset)" in found.text
    records.file("bad.xml", "quarantined", tries=6, reason="not XML")
    found = records.judge(health.failing_files)
    assert found.severity == "error"
    assert "bad.xml (not XML)" in found.text
    assert "2 more failed before" in found.text


def test_bad_packets_of_the_last_day_are_told_with_reasons(records: Records) -> None:
    file = records.file("a.xml", "processed", processed_at=hours(1), reported_at=hours(1))
    for position in range(3):
        records.insert(
            telemetry_quarantine, telemetryfileid=file, position=position, reason=f"CRC is {position}, not 0xffff",
            data=b"x", created_at=hours(40),
        )  # fmt: skip
    found = records.judge(health.bad_packets)
    assert found.passed
    assert found.numbers["all"] == 3
    records.insert(
        telemetry_quarantine, telemetryfileid=file, position=9, reason="CRC is 9, not 0xffff", data=b"x",
        created_at=hours(3),
    )  # fmt: skip
    found = records.judge(health.bad_packets)
    assert not found.passed
    assert found.numbers["new"] == 1
    assert found.numbers["reasons"] == {"CRC is …, not …": 4}


def days_missing(family: str) -> Callable[[Look], Finding]:
    return lambda look: health.days_missing(look, family)


def test_gaps_between_days_are_found_by_family(records: Records) -> None:
    for day in ("2024-05-01", "2024-05-02"):
        records.product("LB", day)
        records.product("LB", day, kind="hk-mini", family="housekeeping")
    assert records.judge(days_missing("quicklook")).passed
    records.product("LB", "2024-05-06")
    records.product("LB", "2024-05-04", kind="hk-mini", family="housekeeping")
    records.product("LB", "2024-05-07", kind="hk-mini", family="housekeeping")
    found = records.judge(days_missing("quicklook"))
    assert not found.passed
    assert "no quicklook on 2024-05-03 to 2024-05-05, although" in found.text
    found = records.judge(days_missing("housekeeping"))
    assert "no housekeeping on 2024-05-03, 2024-05-05 to 2024-05-06, although" in found.text
    assert "packets but" not in found.text, "told as a gap already"


def test_days_without_housekeeping_are_found(records: Records) -> None:
    records.product("LB", "2024-05-01")
    records.product("LB", "2024-05-02")
    records.product("LB", "2024-05-02", kind="hk-mini", family="housekeeping")
    found = records.judge(days_missing("housekeeping"))
    assert "packets but no housekeeping on 2024-05-01" in found.text


def test_old_gaps_and_short_gaps_of_rare_kinds_are_not_told(records: Records) -> None:
    for day in ("2021-01-01", "2021-02-01"):
        records.product("LB", day)
    assert records.judge(days_missing("quicklook")).passed
    for day in ("2024-05-01", "2024-05-05"):
        records.product("LB", day, kind="cal-energy", family="calibration")
    assert records.judge(days_missing("calibration")).passed
    records.product("LB", "2024-05-10", kind="cal-energy", family="calibration")
    assert "2024-05-06 to 2024-05-09" in records.judge(days_missing("calibration")).text


def test_packets_without_product_are_an_error_after_a_day(records: Records) -> None:
    levelb = records.product("LB", "2024-05-18", made=30)
    other = records.product("LB", "2024-05-19", made=10)
    found = records.judge(lambda look: health.fresh(look, "quicklook"))
    assert (found.passed, found.severity) == (False, "error")
    assert levelb in found.text
    assert other not in found.text
    records.product("L0", "2024-05-18", parent=levelb)
    assert records.judge(lambda look: health.fresh(look, "quicklook")).passed
    assert records.judge(lambda look: health.fresh(look, "science")).passed


def test_old_newest_data_are_a_warning(records: Records) -> None:
    levelb = records.product("LB", "2024-05-10")
    records.product("L0", "2024-05-10", parent=levelb)
    found = records.judge(lambda look: health.fresh(look, "quicklook"))
    assert (found.passed, found.severity) == (False, "warning")
    assert "10 days ago (limit 7)" in found.text


def test_a_product_that_stopped_is_told_while_its_family_goes_on(records: Records) -> None:
    first = datetime.date(2024, 4, 21)
    for number in range(30):
        day = (first + datetime.timedelta(days=number)).isoformat()
        parent = records.product("LB", day)
        records.product("L0", day, parent=parent)
        if number < 15:
            records.product("L0", day, kind="ql-variance", parent=parent)
        if number in (0, 1):
            records.product("L0", day, kind="ql-tmstatusflarelist", parent=parent)
    found = records.judge(lambda look: health.fresh(look, "quicklook"))
    assert (found.passed, found.severity) == (False, "warning")
    assert "L0 ql-variance on 2024-05-05" in found.text
    assert "flarelist" not in found.text, "it never came regularly"
    assert "lightcurve" not in found.text


def test_files_that_wait_for_kernels_too_long(records: Records) -> None:
    records.product("L0", "2024-05-10", made=200)
    records.product("L0", "2024-05-19", made=3)
    records.product("L0", "2024-05-01", kind="events-1-33", family="auxiliary", made=900)
    found = records.judge(lambda look: health.without_kernels(look, "quicklook"))
    assert not found.passed
    assert "1 file of level L0 without L1 for more than 7 days" in found.text
    assert "2024-05-10" in found.text
    records.product("L1", "2024-05-09")
    assert records.judge(lambda look: health.without_kernels(look, "quicklook")).passed, (
        "the UTC day may be the neighbour"
    )


def test_due_files_that_are_not_out_are_an_error(records: Records) -> None:
    young = records.product("L1", "2024-05-19", made=13 * 24)
    due = records.product("L1", "2024-05-01", made=14 * 24 + 20, name="solo_L1_stix-ql-lightcurve_20240501_V02U.fits")
    records.product("LB", "2024-05-01", made=9999, name="solo_LB_stix-21-6-30_0000_V02.fits")
    assert records.judge(health.published_as_due).passed
    late = records.product("L0", "2024-04-01", made=16 * 24)
    found = records.judge(health.published_as_due)
    assert (found.passed, found.severity) == (False, "error")
    assert late in found.text
    assert due not in found.text
    assert young not in found.text
    records.decision(late, "published")
    found = records.judge(health.published_as_due)
    assert found.passed
    assert found.numbers["soar pending"] == 1
    records.decision(due, "held")
    assert records.judge(health.published_as_due).numbers["soar pending"] == 0


def test_held_files_are_told_after_days_and_errors_at_once(records: Records) -> None:
    records.decision("a.fits", "held", ago=10, reason="90 rows, the delivered file has 100")
    assert records.judge(health.held_back).passed
    records.decision("b.fits", "held", ago=100, reason="column counts is missing")
    found = records.judge(health.held_back)
    assert (found.passed, found.severity) == (False, "warning")
    assert "b.fits (column counts is missing)" in found.text
    assert "a.fits" not in found.text
    records.decision("c.fits", "error", settled=False, reason="the server is away")
    found = records.judge(health.held_back)
    assert found.severity == "error"
    assert "c.fits (the server is away)" in found.text


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url) as opened:
        yield opened


def test_state_of_a_target(records: Records, connection: psycopg.Connection[Any]) -> None:
    for name, status in (("a", "published"), ("b", "supplement"), ("c", "ignored"), ("d", "held"), ("e", "error")):
        records.decision(f"{name}.fits", status)
    (target,) = Look(connection, records.settings, now=NOW).targets
    counted = (target.published, target.supplements, target.ignored, target.held, target.errors)
    assert counted == (1, 1, 1, 1, 1)
    assert [file.name for file in target.open] == ["d.fits", "e.fits"]


def test_folders_by_state(records: Records, connection: psycopg.Connection[Any]) -> None:
    for number, state in enumerate(("new", "staging", "staged", "processed", "failed", "quarantined", "gone")):
        records.file(f"{number}.xml", state, seen=number + 1)
    (folder,) = Look(connection, records.settings, now=NOW).folders
    assert (folder.waiting, folder.staged, folder.quarantined, folder.gone) == (4, 2, 1, 1)
    assert folder.oldest == hours(5)
