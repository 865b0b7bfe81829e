"""Deployed code versions are in provenance as soon as the code location runs, and only then."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, Definitions, SkipReason, build_sensor_context
from dagster_services import DagsterServices, wait_until

from broker_assets.build import build_defs
from broker_assets.database import migrations
from broker_assets.database.engine import transaction
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.sensors.code_versions import build_code_versions
from broker_assets.settings import Settings
from broker_assets.stream.data_versions import ROW_ASSETS

pytestmark = pytest.mark.database


def tick(url: str | None, code_versions: dict[str, str]) -> str:
    sensor = build_code_versions(code_versions)
    with (
        DagsterInstance.ephemeral() as instance,
        build_sensor_context(instance=instance, resources={"database": Database(url)}) as context,
    ):
        result = sensor(context)
    assert isinstance(result, SkipReason)
    assert result.skip_message is not None
    return result.skip_message


def deployed(url: str) -> dict[str, tuple[str, datetime.datetime]]:
    with transaction(url) as connection:
        rows = connection.execute("SELECT asset, code_version, deployed_at FROM code")
        return {asset: (version, since) for asset, version, since in rows}


def test_only_what_differs_is_written(database_url: str) -> None:
    assert tick(database_url, {"a": "1", "b": "1"}) == "recorded new code versions of a, b"
    first = deployed(database_url)
    assert {asset: version for asset, (version, _) in first.items()} == {"a": "1", "b": "1"}
    assert tick(database_url, {"a": "1", "b": "1"}) == "2 code versions are recorded"
    assert deployed(database_url) == first
    assert tick(database_url, {"a": "1", "b": "2"}) == "recorded new code versions of b"
    assert deployed(database_url)["a"] == first["a"]
    assert deployed(database_url)["b"][0] == "2"
    # a database that was restored from before the deployment
    with transaction(database_url) as connection:
        connection.execute("DELETE FROM code WHERE asset = 'a'")
    assert tick(database_url, {"a": "1", "b": "2"}) == "recorded new code versions of a"


def test_a_long_list_is_shortened(database_url: str) -> None:
    message = tick(database_url, {f"asset{number:02d}": "1" for number in range(25)})
    assert message.startswith("recorded new code versions of asset00, ")
    assert message.endswith("asset19 and 5 more")


@pytest.mark.parametrize("url", [None, "postgresql+psycopg://nobody@127.0.0.1:1/nothing"])
def test_a_database_that_is_away_is_asked_again(url: str | None) -> None:
    assert tick(url, {"a": "1"}).startswith("code versions cannot be recorded, the next tick tries again: ")


def expected(definitions: Definitions) -> dict[str, str | None]:
    graph = definitions.resolve_asset_graph()
    versions_of = {key.to_user_string(): graph.get(key).code_version for key in graph.get_all_asset_keys()}
    return {asset: version for asset, version in versions_of.items() if version}


def test_the_platform_records_the_versions_of_its_graph(database_url: str) -> None:
    definitions = build_defs(settings=Settings(), resource_overrides={"database": Database(database_url)})
    sensor = definitions.get_repository_def().get_sensor_def("code_versions")
    with build_sensor_context(resources={"database": Database(database_url)}) as context:
        sensor(context)
    found = {asset: version for asset, (version, _) in deployed(database_url).items()}
    assert {"packet_archive", "sources", "forced_sources", "objects", "cone_index", "watchlist_hits"} <= found.keys()
    assert all(found.values())
    assert found == expected(definitions)


@pytest.mark.slow
def test_status_is_right_after_a_deployment(
    tmp_path: Path,
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    dagster_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The code location loads while the database is empty; versions are recorded when it is there, and after each
    start."""
    monkeypatch.setenv("DAGSTER_PG_URL", dagster_url)
    with new_database() as name:
        url = postgres.url(name)
        environment = {"BROKER_DATABASE__URL": url, "BROKER_HOME": str(tmp_path / "home"), "BROKER_STREAMS": "[]"}
        services = DagsterServices(tmp_path, dagster_url, "broker_assets.definitions", environment)
        with services.running():
            # loaded and healthy although there are no tables yet
            migrations.upgrade(url)
            wait_until(lambda: bool(deployed(url)))
            first = deployed(url)
            found = {asset: version for asset, (version, _) in first.items()}
            assert found == expected(build_defs(settings=Settings(streams=[])))
            assert set(ROW_ASSETS) <= first.keys()

            made = versions.Artefact(
                asset="l1_quicklook", partition="2021-06-15", data_version="d", code_version=first["l1_quicklook"][0]
            )
            with transaction(url) as connection:
                versions.record(connection, [made])
                assert versions.stale(connection) == []

            # a deployment: another processing version is another code version
            services.deploy({"BROKER_TELEMETRY__VERSIONS": '{"L1/ql-lightcurve": 9}'})

            def stale() -> list[versions.Stale]:
                with transaction(url) as connection:
                    return versions.stale(connection)

            wait_until(lambda: bool(stale()))
            assert [(item.asset, item.partition, item.cause) for item in stale()] == [
                ("l1_quicklook", "2021-06-15", "code")
            ]
            again = deployed(url)
            assert {asset for asset, found in again.items() if found != first[asset]} == {"l1_quicklook"}
