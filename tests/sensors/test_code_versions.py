"""Deployed code versions are in provenance as soon as the code location runs, and only then."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    SensorResult,
    SkipReason,
    asset,
    build_sensor_context,
)
from dagster_services import DagsterServices, wait_until

from broker_assets.automation import TRIGGER
from broker_assets.build import build_defs
from broker_assets.database import migrations
from broker_assets.database.engine import transaction
from broker_assets.provenance import versions
from broker_assets.provenance.stale_groups import automation_notes
from broker_assets.resources.database import Database
from broker_assets.sensors.code_versions import build_code_versions
from broker_assets.settings import Settings
from broker_assets.stream.data_versions import ROW_ASSETS

pytestmark = pytest.mark.database


@asset
def l1_quicklook() -> None:
    pass


def tick(url: str | None, code_versions: dict[str, str]) -> str:
    with DagsterInstance.ephemeral() as instance:
        result = tick_of(instance, url, code_versions)
    reason = result if isinstance(result, SkipReason) else result.skip_reason
    assert reason is not None
    assert reason.skip_message is not None
    return reason.skip_message


def tick_of(
    instance: DagsterInstance,
    url: str | None,
    code_versions: dict[str, str],
    *,
    automated: Collection[str] = (),
    cursor: str | None = None,
) -> SensorResult | SkipReason:
    sensor = build_code_versions(code_versions, automated)
    resources = {"database": Database(url)}
    with build_sensor_context(instance=instance, resources=resources, cursor=cursor) as context:
        result = sensor(context)
    assert isinstance(result, SensorResult | SkipReason)
    return result


def test_what_becomes_stale_is_shown_once_and_so_is_its_end(database_url: str) -> None:
    code = {"sources": "decoder 1", "l1_quicklook": "1", "hits": "1"}
    made = [
        versions.Artefact(asset="sources", partition="2025-10-01", data_version="d", code_version="decoder 1"),
        versions.Artefact(asset="l1_quicklook", partition="2025-10-01", data_version="d", code_version="1"),
        versions.Artefact(
            asset="hits",
            data_version="d",
            code_version="1",
            inputs=(versions.Input(asset="sources", partition="2025-10-01", data_version="d"),),
        ),
    ]
    with DagsterInstance.ephemeral() as instance:

        def look(code: dict[str, str], cursor: str | None) -> tuple[dict[str, AssetCheckEvaluation], str | None]:
            result = tick_of(instance, database_url, code, automated=["l1_quicklook", "hits"], cursor=cursor)
            assert isinstance(result, SensorResult)
            events = [event for event in result.asset_events if isinstance(event, AssetCheckEvaluation)]
            return {event.asset_key.to_user_string(): event for event in events}, result.cursor

        with transaction(database_url) as connection:
            versions.record(connection, made)
        found, cursor = look(code, None)
        assert found == {}
        found, cursor = look(code | {"sources": "decoder 2", "l1_quicklook": "2"}, cursor)
        assert {asset: event.description for asset, event in found.items()} == {
            "sources": "1 partition is stale: decoder 1 → 2 (2025-10-01). Not automatic: "
            "`broker-assets reprocess --stale --asset sources`",
            "l1_quicklook": "1 partition is stale: code 1 → 2 (2025-10-01). Automation requests it at its next tick, "
            "unless an input is missing, is being built or failed a blocking check, or the last run failed: then "
            "`broker-assets reprocess --stale --asset l1_quicklook`",
            "hits": "stale: input sources is stale. Automation waits: input sources is stale",
        }
        with transaction(database_url) as connection:
            assert automation_notes(connection)["hits"] == "Automation waits: input sources is stale"
        deployed_code = code | {"sources": "decoder 2", "l1_quicklook": "2"}
        again, cursor = look(deployed_code, cursor)
        assert again == {}
        with transaction(database_url) as connection:
            versions.record(connection, [made[0].model_copy(update={"code_version": "decoder 2"})])
        found, cursor = look(deployed_code, cursor)
        assert {asset: event.passed for asset, event in found.items()} == {"sources": True, "hits": True}
        with transaction(database_url) as connection:
            assert automation_notes(connection).keys() == {"l1_quicklook"}
        # Automation at work.
        key = AssetKey("l1_quicklook")
        whole = Definitions(assets=[l1_quicklook]).resolve_implicit_global_asset_job_def()
        run = instance.create_run_for_job(
            whole.get_subset(asset_selection={key}),
            asset_selection=frozenset({key}),
            tags=dict(TRIGGER),
            status=DagsterRunStatus.STARTED,
        )
        found, cursor = look(deployed_code, cursor)
        assert str(found["l1_quicklook"].description).endswith("Automation is at work: 1 run queued or in progress")
        instance.delete_run(run.run_id)


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
    with (
        DagsterInstance.ephemeral() as instance,
        build_sensor_context(instance=instance, resources={"database": Database(database_url)}) as context,
    ):
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
