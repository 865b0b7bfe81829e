"""Dagster's storages of one process share a connection, and ask for tables until they are there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import yaml
from dagster import AssetKey, AssetMaterialization, DagsterInstance
from dagster_postgres import DagsterPostgresStorage
from dagster_private import TickData, TickStatus

from broker_assets.dagster_internals import InstigatorType
from broker_assets.resources.dagster_storage import (
    EventLogStorage,
    RunStorage,
    ScheduleStorage,
    SharedPostgresStorage,
)

pytestmark = pytest.mark.database

STORAGE = {"module": "broker_assets.resources.dagster_storage", "class": "SharedPostgresStorage"}


@pytest.fixture
def database(postgres: Any, new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """Name of an empty database."""
    with new_database() as name:
        yield name


def instance(folder: Path, url: str) -> DagsterInstance:
    folder.mkdir()
    settings = {"storage": {"custom": STORAGE | {"config": {"postgres_url": url}}}, "telemetry": {"enabled": False}}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
    return DagsterInstance.from_config(str(folder))


def backend(storage: Any) -> int:
    """The process of the server that answers a storage."""
    connect = storage.index_connection if isinstance(storage, EventLogStorage) else storage.connect
    with connect() as connection:
        return int(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())


def storages(made: DagsterInstance) -> list[Any]:
    return [made.run_storage, made.event_log_storage, made.schedule_storage]


def test_what_one_instance_writes_another_reads_over_one_connection(
    postgres: Any, database: str, tmp_path: Path
) -> None:
    url = postgres.dagster_url(database)
    with instance(tmp_path / "one", url) as one, instance(tmp_path / "other", url) as other:
        one.report_runless_asset_event(AssetMaterialization("sources"))
        assert other.get_latest_materialization_event(AssetKey("sources")) is not None
        assert one.all_instigator_state() == other.all_instigator_state() == []
        assert [type(found) for found in storages(one)] == [RunStorage, EventLogStorage, ScheduleStorage]
        answering = {backend(storage) for made in (one, other) for storage in storages(made)}
        assert len(answering) == 1
        # A server that was restarted has closed the connection that is kept.
        with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (*answering,))
        assert other.get_latest_materialization_event(AssetKey("sources")) is not None
        assert {backend(storage) for storage in storages(one)}.isdisjoint(answering)


def test_tokens_of_a_cloud_are_left_to_dagster() -> None:
    server = {"username": "reader", "hostname": "127.0.0.1", "db_name": "dagster", "port": 1, "password": ""}
    section = {"auth_provider": {"gcp_wif": {}}, "postgres_db": server, "should_autocreate_tables": False}
    made = SharedPostgresStorage.from_config_value(None, section)
    assert type(made) is DagsterPostgresStorage


def test_a_table_is_asked_for_until_it_is_there(postgres: Any, database: str) -> None:
    runs = RunStorage(postgres.dagster_url(database))
    with psycopg.connect(postgres.dsn(database), autocommit=True) as connection:
        assert not runs.has_backfill_tags_table()
        connection.execute("CREATE TABLE backfill_tags (id bigint)")
        assert runs.has_backfill_tags_table()
        connection.execute("DROP TABLE backfill_tags")
    assert runs.has_backfill_tags_table(), "the answer yes is kept"


def test_a_forked_process_has_a_connection_of_its_own(postgres: Any, database: str) -> None:
    program = """
import os, sys
import sqlalchemy as sa
from broker_assets.resources.dagster_storage import RunStorage
runs = RunStorage(sys.argv[1])
def backend():
    with runs.connect() as connection:
        return connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
mine = backend()
child = os.fork()
if child == 0:
    os._exit(0 if backend() != mine else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert backend() == mine, "the child has closed the connection of its parent"
"""
    subprocess.run([sys.executable, "-c", program, postgres.dagster_url(database)], check=True, timeout=120)


def test_old_ticks_are_deleted_once_an_hour(postgres: Any, database: str) -> None:
    url = postgres.dagster_url(database)
    DagsterPostgresStorage(url)
    ticks = ScheduleStorage(url)
    skipped = TickData("origin", "kafka_lag", InstigatorType.SENSOR, TickStatus.SKIPPED, 100.0, selector_id="kafka_lag")

    def left_after_a_purge(of: str) -> int:
        ticks.create_tick(skipped)
        ticks.purge_ticks("origin", of, 200.0, [TickStatus.SKIPPED])
        return len(ticks.get_ticks("origin", "kafka_lag"))

    assert left_after_a_purge("kafka_lag") == 0
    assert left_after_a_purge("kafka_lag") == 1, "a second look within the hour"
    ticks.purge_ticks("origin", "kafka_lag", 200.0, [TickStatus.FAILURE])
    assert len(ticks.get_ticks("origin", "kafka_lag")) == 1
    # A daemon that has just started deletes at once.
    ScheduleStorage(url).purge_ticks("origin", "kafka_lag", 200.0, [TickStatus.SKIPPED])
    assert ticks.get_ticks("origin", "kafka_lag") == []
