"""Reports of inputs by day: only days that changed, the newest first, with the files they were read from."""

from __future__ import annotations

import datetime
import logging

import pytest
from dagster import AssetMaterialization, DagsterInstance

from broker_assets.assets.reporter import Reporter
from broker_assets.assets.telemetry.reports import input_entry, report_inputs
from broker_assets.provenance import versions
from broker_assets.resources.database import Database

pytestmark = pytest.mark.database
DAYS = [datetime.date(2024, 5, day) for day in (1, 2, 3)]


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


def report(database: Database, found: dict[datetime.date, dict[str, str]], most: int | None = None) -> list[str]:
    """Day and input of each materialisation."""
    with DagsterInstance.ephemeral() as instance:
        reporter = Reporter(instance, database, logging.getLogger("inputs"))
        events: list[AssetMaterialization] = list(report_inputs(reporter, database, found, most=most))
    return [f"{event.partition} {event.asset_key.to_user_string()}" for event in events]


def test_days_that_changed_are_reported_once(database: Database) -> None:
    found = {day: {"request_table": "a", "spice_kernels": "k"} for day in DAYS}
    assert len(report(database, found)) == 6
    assert report(database, found) == []
    found[DAYS[1]]["request_table"] = "b"
    assert report(database, found) == ["2024-05-02 request_table"]


def test_the_newest_days_come_first_and_the_others_follow(database: Database) -> None:
    found = {day: {"request_table": "a"} for day in DAYS}
    assert report(database, found, most=2) == ["2024-05-02 request_table", "2024-05-03 request_table"]
    assert report(database, found, most=2) == ["2024-05-01 request_table"]
    assert report(database, found, most=2) == []


def test_other_files_do_not_make_a_day_stale() -> None:
    artefact = versions.Artefact(asset="request_table", partition="2024-05-01", data_version="a")
    files = versions.Input(asset="input_files/request_table", data_version="f")
    entry = input_entry(artefact, files)
    assert entry.shown_inputs == (files,)
    assert entry.artefact.inputs == (), "only what the files say for the day counts"
    assert input_entry(artefact).shown_inputs == ()
