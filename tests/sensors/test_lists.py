"""Lists in the database as Dagster sees them: observed when they change, gone when they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from dagster import AssetKey, DagsterEventType, DagsterInstance, Definitions, in_process_executor
from event_notices import einstein_probe

from broker_assets.assets.sky.lists import build_lists
from broker_assets.database.engine import connect
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.sensors import lists as sensor
from broker_assets.sensors.lists import observe_lists, reasons_to_match
from broker_assets.settings import MovingListSettings
from broker_assets.sky.event_notices import read_event_notice
from broker_assets.sky.lists import (
    ListSettings,
    add_cones,
    change_list,
    create_area,
    create_watchlist,
    delete_list,
)
from broker_assets.sky.moving_lists import apply_event_notice, expire_event_cones
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database

LOG = logging.getLogger("lists")


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url, autocommit=True) as opened:
        yield opened


def watchlist(connection: psycopg.Connection, name: str = "list") -> str:
    return str(create_watchlist(connection, "ann", name, parse_watchlist(["10, 10", "50, 10"]), radius=5.0))


def observed(instance: DagsterInstance, asset: str) -> list[tuple[str | None, str]]:
    """Partition and data version of each observation, oldest first."""
    records = instance.fetch_observations(AssetKey(asset), limit=1000).records[::-1]
    events = [record.asset_observation for record in records]
    return [(event.partition, event.tags["dagster/data_version"]) for event in events if event is not None]


def test_lists_are_observed_when_they_change(
    instance: DagsterInstance, database: Database, connection: psycopg.Connection
) -> None:
    assert observe_lists(instance, database, LOG) == 0
    first, second = watchlist(connection), watchlist(connection, "other")
    area = str(create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8)))
    assert observe_lists(instance, database, LOG) == 3
    # revisions are the numbers of one counter for all changes
    assert sorted(observed(instance, "watchlists")) == sorted([(first, "1"), (second, "2")])
    assert observed(instance, "areas") == [(area, "3")]
    assert set(instance.get_dynamic_partitions("watchlists")) == {first, second}
    assert instance.get_dynamic_partitions("areas") == [area]
    assert observe_lists(instance, database, LOG) == 0

    add_cones(connection, "ann", int(second), parse_watchlist(["20, 10"]))
    assert observe_lists(instance, database, LOG) == 1
    assert observed(instance, "watchlists")[2:] == [(second, "4")]
    assert len(observed(instance, "areas")) == 1
    assert instance.get_runs() == [], "no run is needed"


def test_sky_maps_are_partitions_by_event_and_version(
    instance: DagsterInstance, database: Database, connection: psycopg.Connection
) -> None:
    connection.execute(
        "INSERT INTO mma_areas (mw_id, otherid, namespace, version, sky_map, sky_map_version, active, event_tai,"
        " event_date, active_until)"
        " VALUES (7, 'S190425z', 'LVK', '2019-04-25T08:18:26.000000Z', 'map', 'abc', false, 58598, now(), now()),"
        " (8, 'S190426c', 'LVK', '2019-04-26T00:00:00.000000Z', NULL, NULL, true, 58599, now(), now())"
    )
    assert observe_lists(instance, database, LOG) == 1
    assert observed(instance, "sky_map_notices") == [("7_S190425z_2019-04-25T08:18:26.000000Z", "abc")]


def test_a_list_that_is_not_matched_any_more_is_gone(
    instance: DagsterInstance, database: Database, connection: psycopg.Connection
) -> None:
    kept, off, deleted = (watchlist(connection, name) for name in ("kept", "off", "deleted"))
    observe_lists(instance, database, LOG)
    with database.transaction() as transaction:
        made = [versions.Artefact(asset="watchlist", partition=key, data_version="f") for key in (kept, off, deleted)]
        versions.record(transaction, made)
    change_list(connection, "ann", "watchlist", int(off), ListSettings(active=False))
    delete_list(connection, "ann", "watchlist", int(deleted))
    assert observe_lists(instance, database, LOG) == 2
    assert instance.get_dynamic_partitions("watchlists") == [kept]
    for asset in ("watchlists", "watchlist"):
        assert set(versions.data_versions(connection, asset)) == {kept}
    assert observe_lists(instance, database, LOG) == 0

    # back again: with another revision, by which its files are written again
    change_list(connection, "ann", "watchlist", int(off), ListSettings(active=True))
    assert observe_lists(instance, database, LOG) == 1
    assert observed(instance, "watchlists")[-1] == (off, "6")


def test_an_empty_database_of_dagster_is_filled(database: Database, connection: psycopg.Connection) -> None:
    """Provenance knows the lists, and Dagster does not."""
    key = watchlist(connection)
    for _ in range(2):
        with DagsterInstance.ephemeral() as instance:
            assert observe_lists(instance, database, LOG) == 1
            assert observed(instance, "watchlists") == [(key, "1")]
            assert observe_lists(instance, database, LOG) == 0


def test_many_lists_are_observed_in_several_ticks(
    instance: DagsterInstance, database: Database, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {watchlist(connection, f"list {number}") for number in range(3)}
    area = str(create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8)))
    monkeypatch.setattr(sensor, "MOST_LISTS", 2)
    assert [observe_lists(instance, database, LOG) for _ in range(3)] == [2, 2, 0]
    assert {key for key, _ in observed(instance, "watchlists")} == keys
    assert observed(instance, "areas") == [(area, "4")]


def test_a_change_makes_the_files_of_the_list_stale(
    instance: DagsterInstance, database: Database, connection: psycopg.Connection
) -> None:
    first, second = watchlist(connection), watchlist(connection, "other")
    observe_lists(instance, database, LOG)
    with database.transaction() as transaction:
        versions.record(
            transaction,
            [
                versions.Artefact(
                    asset="watchlist",
                    partition=key,
                    data_version="f",
                    inputs=(versions.Input(asset="watchlists", partition=key, data_version=revision),),
                )
                for key, revision in ((first, "1"), (second, "2"))
            ],
        )
    assert versions.stale(connection) == []
    add_cones(connection, "ann", int(second), parse_watchlist(["20, 10"]))
    observe_lists(instance, database, LOG)
    assert [(item.asset, item.partition, item.cause) for item in versions.stale(connection)] == [
        ("watchlist", second, "input")
    ]


def test_reasons_to_match(database: Database, connection: psycopg.Connection, tmp_path: Path) -> None:
    deployed = {"cone_index": "2", "area_index": "1"}
    assert reasons_to_match(connection, tmp_path, deployed) == []
    with database.transaction() as transaction:
        made = [versions.Artefact(asset=name, data_version="i", code_version="1") for name in deployed]
        versions.record(transaction, made)
    assert reasons_to_match(connection, tmp_path, deployed) == ["cone_index was made by code 1"]
    watchlist(connection)
    connection.execute("UPDATE watchlists SET date_expire = now() + interval '1 hour'")
    assert reasons_to_match(connection, tmp_path, {}) == [
        "no index of 1 watchlists",
        "1 to be matched with past objects",
    ]
    connection.execute("UPDATE watchlists SET date_expire = now() - interval '1 hour'")
    # it is matched until its expiry is entered, which is the change that the run makes
    assert reasons_to_match(connection, tmp_path, {}) == [
        "no index of 1 watchlists",
        "1 expired",
        "1 to be matched with past objects",
    ]


def test_a_list_is_observed_by_hand(
    instance: DagsterInstance, database: Database, connection: psycopg.Connection
) -> None:
    key = watchlist(connection)
    definitions = Definitions(assets=build_lists(), resources={"database": database}, executor=in_process_executor)
    job = definitions.resolve_implicit_global_asset_job_def()
    observe_lists(instance, database, LOG)
    add_cones(connection, "ann", int(key), parse_watchlist(["20, 10"]))
    chosen = [AssetKey("watchlists")]
    assert job.execute_in_process(instance=instance, asset_selection=chosen, partition_key=key).success
    assert observed(instance, "watchlists") == [(key, "1"), (key, "2")]
    assert observe_lists(instance, database, LOG) == 0, "the sensor knows"
    delete_list(connection, "ann", "watchlist", int(key))
    failed = job.execute_in_process(instance=instance, asset_selection=chosen, partition_key=key, raise_on_error=False)
    assert not failed.success
    [event] = instance.get_records_for_run(failed.run_id, of_type=DagsterEventType.STEP_FAILURE).records
    assert "is no longer matched" in str(event.event_log_entry.dagster_event)


def test_a_cone_whose_window_has_passed_is_a_reason(connection: psycopg.Connection, tmp_path: Path) -> None:
    wanted = MovingListSettings(name="bursts", topics=("bursts",), days_after=10.0)
    notice = read_event_notice(einstein_probe())
    apply_event_notice(connection, notice, wanted, topic="bursts", now=notice.trigger)
    assert not [reason for reason in reasons_to_match(connection, tmp_path, {}) if "expired" in reason]
    connection.execute("UPDATE notice_events SET mjd_until = 60000")
    assert "1 expired" in reasons_to_match(connection, tmp_path, {})
    assert expire_event_cones(connection) == 1
    assert not [reason for reason in reasons_to_match(connection, tmp_path, {}) if "expired" in reason]
