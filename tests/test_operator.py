"""An operator's work in Dagster's pages and on the command line, on one running platform for all tests here.

The tests build on each other's nights, in order; each leaves the platform as the next one needs it.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import pytest
from dagster import AssetKey, DagsterEventType, DagsterRunStatus, RunsFilter
from running_platform import RunningPlatform, running_platform

from broker_assets.accounting import ledger
from broker_assets.commands.reprocess import reprocess
from broker_assets.database import migrations
from broker_assets.database.engine import transaction
from broker_assets.local.readiness import answers_http
from broker_assets.provenance import versions
from broker_assets.replay.producer import ensure_topic
from broker_assets.stream.commit import CODE_VERSION

pytestmark = [pytest.mark.platform, pytest.mark.slow, pytest.mark.kafka, pytest.mark.database, pytest.mark.timeout(900)]

FIRST, SECOND = "2025-11-20", "2025-11-21"
ROWS = ("sources", "forced_sources", "objects")
LAUNCH = """mutation Launch($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) { __typename ... on LaunchBackfillSuccess { backfillId } }
}"""
BACKFILL = """query Backfill($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}"""
CHECKS = """query Checks($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode {
    opVersion
    assetChecksOrError { ... on AssetChecks { checks {
      name
      partitionStatuses { ... on AssetCheckTimePartitionStatuses { ranges { status startKey endKey } } }
      executionForLatestMaterialization { status evaluation { success severity description } }
    } } }
  } }
}"""
RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "broker_assets") {
  __typename ... on WorkspaceLocationEntry { loadStatus } } }"""


@pytest.fixture(scope="module")
def operated(
    packets: ModuleType,
    kafka: str,
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningPlatform]:
    """A platform with two nights, its webserver, and a settings file in which code versions can be raised."""
    folder = tmp_path_factory.mktemp("operated")
    topic = f"operated-{os.getpid()}"
    ensure_topic(kafka, topic, partitions=2)
    with new_database() as ours, new_database() as dagster, pytest.MonkeyPatch.context() as patch:
        database_url, dagster_url = postgres.url(ours), postgres.dagster_url(dagster)
        migrations.upgrade(database_url)
        (folder / "broker.toml").write_text("")
        environment = {"BROKER_SETTINGS": str(folder / "broker.toml")}
        patch.setenv("DAGSTER_PG_URL", dagster_url)
        with running_platform(packets, kafka, topic, database_url, dagster_url, folder, environment) as platform:
            # Code in this process sees the same platform, as a command in an operator's shell does.
            for name, value in platform.environment.items():
                if name.startswith(("BROKER_", "DAGSTER_")):
                    patch.setenv(name, value)
            patch.setenv("BROKER_DATABASE__DAGSTER_URL", dagster_url)
            patch.setenv("BROKER_SERVER__DAGSTER_PORT", str(platform.webserver_port))
            platform.start("webserver")
            platform.produce(list(packets.Survey(objects=20, visits=4).packets()))
            platform.wait_for_sources(80)
            platform.wait(lambda: platform.runs(DagsterRunStatus.SUCCESS), "the end of the run")
            platform.wait(answers_http(f"http://127.0.0.1:{platform.webserver_port}/server_info"), "the webserver")
            yield platform


def launch(platform: RunningPlatform, assets: tuple[str, ...], nights: list[str]) -> str:
    parameters = {"assetSelection": [{"path": [asset]} for asset in assets], "partitionNames": nights}
    return str(platform.graphql(LAUNCH, parameters=parameters)["launchPartitionBackfill"]["backfillId"])


def ended(platform: RunningPlatform, backfill: str) -> str:
    def status() -> str:
        return str(platform.graphql(BACKFILL, id=backfill)["partitionBackfillOrError"]["status"])

    platform.wait(lambda: status().startswith("COMPLETED"), f"the end of backfill {backfill}", 240.0)
    print(*platform.failures(), sep="\n")
    return status()


def node(platform: RunningPlatform, asset: str) -> dict[str, Any]:
    found: dict[str, Any] = platform.graphql(CHECKS, key={"path": [asset]})["assetNodeOrError"]
    return found


def check(platform: RunningPlatform, asset: str, name: str) -> dict[str, Any]:
    [found] = [item for item in node(platform, asset)["assetChecksOrError"]["checks"] if item["name"] == name]
    return dict(found)


def by_partition(platform: RunningPlatform, asset: str, name: str) -> dict[str, str]:
    ranges = check(platform, asset, name)["partitionStatuses"]["ranges"]
    nights = {one["startKey"]: one["status"] for one in ranges} | {one["endKey"]: one["status"] for one in ranges}
    return {night: status for night, status in nights.items() if night in (FIRST, SECOND)}


def stale(platform: RunningPlatform) -> set[tuple[str, str, str]]:
    with transaction(platform.database.url) as connection:
        return {(item.asset, item.partition, item.reason) for item in versions.stale(connection)}


def test_checks_of_a_backfill_are_of_their_partitions(operated: RunningPlatform) -> None:
    """None is shown as skipped, and one that fails is red on its night alone."""
    with transaction(operated.database.url) as connection:
        # An alert of another stream that is in the ledger of the night but not among its rows, before and after a
        # rebuild.
        now = datetime.datetime.now(datetime.UTC)
        lost = ledger.open_batch(connection, topic="other", kind="stream", code_version=CODE_VERSION, started_at=now)
        connection.execute(
            "INSERT INTO ingest_batch_night (ingestid, night, stored) VALUES (%s, %s, 1)", (lost, SECOND)
        )
    # For Dagster the backfill succeeds, since every night was materialised: only the check shows it.
    ended(operated, launch(operated, ROWS, [FIRST, SECOND]))
    assert by_partition(operated, "sources", "ledger_balances") == {FIRST: "SUCCEEDED", SECOND: "FAILED"}
    for asset in ROWS:
        for item in node(operated, asset)["assetChecksOrError"]["checks"]:
            if item["name"] not in ("ledger_balances", "up_to_date"):
                assert by_partition(operated, asset, item["name"]) == {FIRST: "SUCCEEDED", SECOND: "SUCCEEDED"}, item
    runs = operated.instance.get_runs(RunsFilter(tags={"dagster/backfill": list_backfills(operated)}))
    assert {run.tags.get("dagster/partition") for run in runs} == {FIRST, SECOND}
    # Repaired, it is green.
    with transaction(operated.database.url) as connection:
        connection.execute("DELETE FROM ingest_batch_night WHERE ingestid = %s", (lost,))
        connection.execute("DELETE FROM ingest_batch WHERE ingestid = %s", (lost,))
    assert ended(operated, launch(operated, ROWS, [SECOND])) == "COMPLETED_SUCCESS"
    assert by_partition(operated, "sources", "ledger_balances") == {FIRST: "SUCCEEDED", SECOND: "SUCCEEDED"}


def list_backfills(platform: RunningPlatform) -> list[str]:
    return [backfill.backfill_id for backfill in platform.instance.get_backfills()]


def test_new_code_is_refused_until_it_is_reloaded_and_then_visible_at_once(operated: RunningPlatform) -> None:
    with transaction(operated.database.url) as connection:
        deployed = dict(connection.execute("SELECT asset, code_version FROM code").fetchall())
        made = versions.Artefact(
            asset="l1_quicklook", partition="2021-06-15", data_version="d", code_version=deployed["l1_quicklook"]
        )
        versions.record(connection, [made])
    assert stale(operated) == set()
    before = node(operated, "l1_quicklook")["opVersion"]
    settings = operated.folder / "broker.toml"
    settings.write_text('[telemetry.versions]\n"L1/ql-lightcurve" = 9\n')

    # The code on disk is not what the pages show: such a run does nothing, and reports this.
    rows = recorded(operated)
    refused = launch(operated, ROWS, [FIRST])
    assert ended(operated, refused) == "COMPLETED_FAILED"
    [run] = operated.instance.get_runs(RunsFilter(tags={"dagster/backfill": refused}))
    assert run.status == DagsterRunStatus.FAILURE
    [failure] = operated.instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_FAILURE)
    assert failure.dagster_event is not None
    message = failure.dagster_event.message or ""
    assert message.startswith("Refused: the code on the disk is not the code that Dagster shows: l1_quicklook ")
    assert recorded(operated) == rows
    assert node(operated, "l1_quicklook")["opVersion"] == before
    assert stale(operated) == set()

    # "Reload definitions" reloads, and afterwards it is visible what is stale.
    answer = operated.graphql(RELOAD)["reloadRepositoryLocation"]
    assert answer == {"__typename": "WorkspaceLocationEntry", "loadStatus": "LOADED"}
    assert node(operated, "l1_quicklook")["opVersion"] == before.replace("ql-lightcurve 2", "ql-lightcurve 9")
    assert {(asset, partition) for asset, partition, _ in stale(operated)} == {("l1_quicklook", "2021-06-15")}
    [(_, _, reason)] = stale(operated)
    assert reason == "ql-lightcurve 2 → 9"
    shown = check(operated, "l1_quicklook", "up_to_date")["executionForLatestMaterialization"]
    assert shown["status"] == "FAILED"
    evaluation = shown["evaluation"]
    assert (evaluation["success"], evaluation["severity"]) == (False, "WARN")
    assert evaluation["description"].startswith("1 partition is stale: ql-lightcurve 2 → 9 (2021-06-15). Automation ")

    # The same run is accepted now.
    assert ended(operated, launch(operated, ROWS, [FIRST])) == "COMPLETED_SUCCESS"
    with transaction(operated.database.url) as connection:
        versions.forget(connection, "l1_quicklook", "2021-06-15")


def test_stale_nights_are_mended_and_no_others(operated: RunningPlatform) -> None:
    with transaction(operated.database.url) as connection:
        connection.execute(
            "UPDATE artefact SET code_version = 'ingest 2, decoder 1' WHERE asset = ANY(%s) AND partition = %s",
            (list(ROWS), SECOND),
        )
    before = {asset: materialised(operated, asset) for asset in ROWS}
    own = {(asset, SECOND, reason) for asset, _, reason in stale(operated) if asset in ROWS}
    assert {reason for _, _, reason in own} == {"decoder 1 → " + CODE_VERSION.rpartition(" ")[2]}
    operated.wait(
        lambda: (
            (check(operated, "sources", "up_to_date")["executionForLatestMaterialization"] or {}).get("status")
            == "FAILED"
        ),
        "the check that shows the stale night",
        90.0,
    )
    said = check(operated, "sources", "up_to_date")["executionForLatestMaterialization"]["evaluation"]["description"]
    assert f"({SECOND}). Not automatic: `broker-assets reprocess --stale --asset sources`" in said

    reprocess(stale=True, asset=["sources"], wait=True)

    after = {asset: materialised(operated, asset) for asset in ROWS}
    assert {asset: len(after[asset]) - len(before[asset]) for asset in ROWS} == dict.fromkeys(ROWS, 1)
    assert {after[asset][0] for asset in ROWS} == {SECOND}
    assert stale(operated) == set()
    operated.wait(
        lambda: check(operated, "sources", "up_to_date")["executionForLatestMaterialization"]["status"] == "SUCCEEDED",
        "the check that shows that nothing is stale",
        90.0,
    )
    reprocess(stale=True)
    assert {asset: materialised(operated, asset) for asset in ROWS} == after


def recorded(platform: RunningPlatform) -> int:
    """How often rows of nights were recorded; automation may record other assets at any time."""
    with transaction(platform.database.url) as connection:
        query = "SELECT FROM artefact_history WHERE asset = ANY(%s)"
        return len(connection.execute(query, (list(ROWS),)).fetchall())


def materialised(platform: RunningPlatform, asset: str) -> list[str | None]:
    """Partitions of its materialisations, newest first."""
    records = platform.instance.fetch_materializations(AssetKey(asset), limit=1000).records
    return [record.partition_key for record in records]
