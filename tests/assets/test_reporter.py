"""Versions become known once, in the right order, to Dagster and to provenance."""

import datetime
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetSpec,
    DagsterInstance,
    Definitions,
    DynamicPartitionsDefinition,
    MaterializeResult,
    ObserveResult,
    asset,
    evaluate_automation_conditions,
    materialize,
    multi_observable_source_asset,
)
from dagster_private import CachingStaleStatusResolver, LoadingContextForTest

import broker_assets
from broker_assets.assets.reporter import EMPTY, Entry, Reporter
from broker_assets.automation import on_new_versions
from broker_assets.partitions import nights, observation_days
from broker_assets.provenance import versions
from broker_assets.resources.database import Database

PACKAGE = Path(broker_assets.__file__).parent

pytestmark = pytest.mark.database

NIGHT = "2024-05-01"
OTHER = "2024-05-02"
BEFORE_ALL = "1999-01-01"


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


@pytest.fixture
def reporter(instance: DagsterInstance, database: Database) -> Reporter:
    return Reporter(instance, database, logging.getLogger("reporter"), run_id="run")


def entry(
    name: str, version: str, partition: str = NIGHT, *inputs: tuple[str, str, str], code: str = "1", **more: Any
) -> Entry:
    used = tuple(versions.Input(asset=used, partition=part, data_version=data) for used, part, data in inputs)
    artefact = versions.Artefact(asset=name, partition=partition, data_version=version, code_version=code, inputs=used)
    return Entry(artefact, **more)


def known(database: Database, name: str, partition: str = NIGHT) -> versions.ArtefactEntry | None:
    with database.transaction() as connection:
        return versions.current(connection, name, partition)


def newest(instance: DagsterInstance, name: str) -> dict[str | None, AssetMaterialization]:
    records = instance.fetch_materializations(AssetKey.from_user_string(name), limit=100).records
    found: dict[str | None, AssetMaterialization] = {}
    for record in records:
        assert record.asset_materialization is not None
        found.setdefault(record.partition_key, record.asset_materialization)
    return found


def test_a_version_is_reported_once(instance: DagsterInstance, database: Database, reporter: Reporter) -> None:
    given = [entry("a", "v1", description="first", metadata={"rows": 3}), entry("a", "w1", OTHER)]
    events = list(reporter.report(given, partitions=nights))
    assert [(event.asset_key, event.partition) for event in events] == [
        (AssetKey("a"), NIGHT),
        (AssetKey("a"), OTHER),
    ]
    assert all(isinstance(event, AssetMaterialization) for event in events)
    assert events[0].description == "first"
    assert events[0].metadata["rows"].value == 3
    assert events[0].tags == {"dagster/data_version": "v1", "dagster/code_version": "1"}
    found = known(database, "a")
    assert found is not None
    assert (found.data_version, found.code_version, found.run_id) == ("v1", "1", "run")
    assert list(reporter.report(given, partitions=nights)) == []
    changed = [entry("a", "v2"), entry("a", "w1", OTHER)]
    assert [event.partition for event in reporter.report(changed, partitions=nights)] == [NIGHT]


def test_other_code_is_a_new_version(database: Database, reporter: Reporter) -> None:
    list(reporter.report([entry("a", "v1")], partitions=nights))
    [event] = reporter.report([entry("a", "v1", code="2")], partitions=nights)
    assert (event.tags or {})["dagster/code_version"] == "2"
    with database.transaction() as connection:
        versions.deploy(connection, {"a": "2"})
        assert versions.stale(connection) == []


def test_metadata_is_computed_for_new_versions_only(reporter: Reporter) -> None:
    computed = []

    def metadata() -> dict[str, Any]:
        computed.append(1)
        return {"rows": 1}

    given = entry("a", "v1", metadata=metadata)
    [event] = reporter.report([given], partitions=nights)
    assert event.metadata["rows"].value == 1
    list(reporter.report([given], partitions=nights))
    assert computed == [1]


def test_provenance_comes_last(instance: DagsterInstance, database: Database, reporter: Reporter) -> None:
    events: Any = reporter.report([entry("a", "v1"), entry("a", "w1", OTHER)], partitions=nights)
    instance.report_runless_asset_event(next(events))
    assert known(database, "a") is None, "Dagster may be told twice, and never too little"
    events.close()
    assert known(database, "a") is None
    again = Reporter(instance, database, logging.getLogger("reporter"))
    assert again.send(again.report([entry("a", "v1"), entry("a", "w1", OTHER)], partitions=nights)) == 2
    assert known(database, "a") is not None
    assert set(newest(instance, "a")) == {NIGHT, OTHER}


def test_unknown_partitions_are_recorded_and_logged_once(
    database: Database, reporter: Reporter, caplog: pytest.LogCaptureFixture
) -> None:
    given = [entry("a", "v1", day) for day in (BEFORE_ALL, "1999-01-02", NIGHT)]
    given += [entry("b", "v1", day) for day in (BEFORE_ALL, "1999-01-02", NIGHT)]
    events = list(reporter.report(given, partitions=nights))
    assert {event.partition for event in events} == {NIGHT}
    assert known(database, "a", BEFORE_ALL) is not None
    list(reporter.report([entry("c", "v1", BEFORE_ALL)], partitions=nights))
    assert [record.getMessage() for record in caplog.records] == [
        "recorded, but no partition of Dagster: 2 from 1999-01-01 to 1999-01-02"
    ]
    list(reporter.report([entry("c", "v1", "1999-01-03")], partitions=nights))
    assert caplog.records[-1].getMessage() == "recorded, but no partition of Dagster: 1999-01-03"


def test_days_and_dynamic_partitions_are_known(instance: DagsterInstance, reporter: Reporter) -> None:
    lists = DynamicPartitionsDefinition(name="lists")
    instance.add_dynamic_partitions("lists", ["7"])
    events = reporter.report([entry("a", "v", "7"), entry("a", "v", "8")], partitions=lists)
    assert [event.partition for event in events] == ["7"]
    days = [entry("b", "v", datetime.date(2021, 6, 15).isoformat()), entry("b", "v", "2086-01-01")]
    assert [event.partition for event in reporter.report(days, partitions=observation_days)] == ["2021-06-15"]


def test_without_partitions(database: Database, reporter: Reporter) -> None:
    [event] = reporter.report([entry("a/b", "v1", "")])
    assert event.partition is None
    assert event.asset_key == AssetKey(["a", "b"])
    assert known(database, "a/b", "") is not None


def test_emptied_partitions_are_reported_as_empty(database: Database, reporter: Reporter) -> None:
    given = [entry("a", EMPTY), entry("a", EMPTY, OTHER)]
    assert list(reporter.report(given, partitions=nights)) == [], "never had anything"
    assert known(database, "a") is None
    list(reporter.report([entry("a", "v1")], partitions=nights))
    [event] = reporter.report(given, partitions=nights)
    assert (event.partition, (event.tags or {})["dagster/data_version"]) == (NIGHT, EMPTY)
    assert known(database, "a").data_version == EMPTY  # type: ignore[union-attr]
    assert list(reporter.report(given, partitions=nights)) == []
    [event] = reporter.report([entry("a", "v1")], partitions=nights)
    assert (event.tags or {})["dagster/data_version"] == "v1"


def test_partitions_that_are_empty_from_the_beginning_on_request(database: Database, reporter: Reporter) -> None:
    [event] = reporter.report([entry("a", EMPTY)], partitions=nights, new_empty=True)
    assert (event.tags or {})["dagster/data_version"] == EMPTY
    assert list(reporter.report([entry("a", EMPTY)], partitions=nights, new_empty=True)) == []


def test_children_see_an_emptied_partition(instance: DagsterInstance, database: Database, reporter: Reporter) -> None:
    @asset(
        partitions_def=nights, deps=[AssetSpec("hits", partitions_def=nights)], automation_condition=on_new_versions()
    )
    def child() -> None:
        pass

    definitions = Definitions(assets=[AssetSpec("hits", partitions_def=nights), child])
    reporter.send(reporter.report([entry("hits", "v1")], partitions=nights))
    first = evaluate_automation_conditions(definitions, instance)
    reporter.send(reporter.report([entry("hits", EMPTY)], partitions=nights))
    second = evaluate_automation_conditions(definitions, instance, cursor=first.cursor)
    assert set(second.get_requested_partitions(AssetKey("child"))) == {NIGHT}


def status(instance: DagsterInstance, definitions: Definitions, name: str, partition: str | None = NIGHT) -> str:
    resolver = CachingStaleStatusResolver(instance, definitions.resolve_asset_graph(), LoadingContextForTest(instance))
    return resolver.get_status(AssetKey(name), partition).value


def test_dagster_holds_what_is_reported_for_fresh_until_an_input_changes(
    instance: DagsterInstance, reporter: Reporter
) -> None:
    """Parents made here, by night and as a whole, and observed ones."""

    @asset(partitions_def=nights, code_version="1")
    def archive() -> None:
        pass

    @asset(code_version="1")
    def index() -> None:
        pass

    # An external asset without a function to observe it would be one whose observations Dagster ignores.
    @multi_observable_source_asset(specs=[AssetSpec("topic")])
    def topic() -> ObserveResult:
        return ObserveResult()

    quiet = AssetSpec("quiet")

    @asset(partitions_def=nights, deps=[archive, index, "topic", "quiet"], code_version="1")
    def rows() -> None:
        pass

    definitions = Definitions(assets=[topic, quiet, archive, index, rows])
    reporter.send(reporter.observe([entry("topic", "t1", "")]))
    reporter.send(reporter.report([entry("index", "i1", "")]))
    inputs = [("archive", NIGHT, "a1"), ("index", "", "i1"), ("topic", "", "t1"), ("quiet", "", "INITIAL")]
    reporter.send(reporter.report([entry("archive", "a1"), entry("rows", "r1", NIGHT, *inputs)], partitions=nights))
    tags = newest(instance, "rows")[NIGHT].tags
    assert tags is not None
    assert tags["dagster/input_data_version/archive"] == "a1"
    assert tags["dagster/input_event_pointer/quiet"] == "NULL"
    assert int(tags["dagster/input_event_pointer/archive"]) > int(tags["dagster/input_event_pointer/topic"]) > 0
    assert status(instance, definitions, "rows") == "FRESH"
    reporter.send(reporter.report([entry("archive", "a2")], partitions=nights))
    assert status(instance, definitions, "rows") == "STALE"
    inputs[0] = ("archive", NIGHT, "a2")
    reporter.send(reporter.report([entry("rows", "r2", NIGHT, *inputs)], partitions=nights))
    assert status(instance, definitions, "rows") == "FRESH"
    reporter.send(reporter.report([entry("index", "i2", "")]))
    assert status(instance, definitions, "rows") == "STALE"


def test_other_inputs_of_the_same_version_are_recorded_only(database: Database, reporter: Reporter) -> None:
    list(reporter.report([entry("a", "v1", NIGHT, ("index", "", "i1"))], partitions=nights))
    assert list(reporter.report([entry("a", "v1", NIGHT, ("index", "", "i2"))], partitions=nights)) == []
    found = known(database, "a")
    assert found is not None
    assert [use.data_version for use in found.inputs] == ["i2"]


def test_inputs_that_are_shown_are_not_recorded(database: Database, reporter: Reporter) -> None:
    shown = (versions.Input(asset="index", data_version="i1"),)
    [event] = reporter.report([entry("a", "v1", shown_inputs=shown)], partitions=nights)
    assert (event.tags or {})["dagster/input_data_version/index"] == "i1"
    assert known(database, "a").inputs == ()  # type: ignore[union-attr]


def test_observations(instance: DagsterInstance, reporter: Reporter) -> None:
    [event] = reporter.observe([entry("topic", "t1", "", code="")])
    assert isinstance(event, AssetObservation)
    assert event.tags == {"dagster/data_version": "t1"}
    assert reporter.send(reporter.observe([entry("topic", "t1", "", code="")])) == 0
    assert reporter.send(reporter.observe([entry("topic", "t2", "", code="")])) == 1
    assert len(instance.fetch_observations(AssetKey("topic"), limit=10).records) == 1


def test_an_asset_function_is_recorded_after_its_event(
    instance: DagsterInstance, database: Database, database_url: str
) -> None:
    """The event must be in Dagster before provenance holds the version for known."""
    seen = []

    class Watched(Database):
        def transaction(self, **options: Any) -> Any:
            seen.append(len(instance.fetch_materializations(AssetKey("made"), limit=10).records))
            return super().transaction(**options)

    @asset(
        name="made",
        partitions_def=nights,
        code_version="1",
        check_specs=[AssetCheckSpec("whole", asset="made")],
    )
    def made(context: AssetExecutionContext) -> Iterator[MaterializeResult]:  # type: ignore[type-arg]
        watched = Reporter(context.instance, Watched(database_url), context.log, run_id=context.run.run_id)
        result = entry("made", "v1", context.partition_key, metadata={"rows": 1})
        yield from watched.made(result, check_results=[AssetCheckResult(passed=True, check_name="whole")])

    for number in (1, 2):
        run = materialize([made], instance=instance, partition_key=NIGHT)
        assert run.success
        assert seen == list(range(1, number + 1)), "also when nothing is new"
        assert [check.passed for check in run.get_asset_check_evaluations()] == [True]
    event = newest(instance, "made")[NIGHT]
    assert event.tags is not None
    assert (event.tags or {})["dagster/data_version"] == "v1"
    found = known(database, "made")
    assert found is not None
    assert found.run_id is not None


def test_no_other_module_makes_materialisations() -> None:
    """One that does would not be in provenance."""
    makes = re.compile(r"\b(?:AssetMaterialization|MaterializeResult)\(")
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if makes.search(path.read_text())}
    assert found == {"assets/reporter.py"}
