"""All rows of the truth table of the automation conditions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    DagsterInstance,
    DagsterRunStatus,
    DataVersion,
    Definitions,
    MaterializeResult,
    asset,
    asset_check,
    evaluate_automation_conditions,
    job,
    op,
)

from broker_assets import sensors
from broker_assets.automation import (
    BACKGROUND,
    RECEPTION,
    build_automation_sensor,
    on_new_versions,
    on_new_versions_after_the_night,
)
from broker_assets.build import build_defs
from broker_assets.checks.definition import newest_materialisations
from broker_assets.partitions import nights
from broker_assets.settings import Settings, TelemetrySettings
from broker_assets.settings.operation import AutomationSettings

NIGHT = "2024-05-01"
OTHER_NIGHT = "2024-05-02"


class House:
    """Two parents and a child under `on_new_versions`, over an instance of their own.

    The parents' content, the child's code version and its luck are set by the test; `evaluate` says which nights the
    condition asks for, like one tick of the automation sensor.
    """

    def __init__(self, instance: DagsterInstance, *, partitioned: bool, with_check: bool = False) -> None:
        self.instance = instance
        self.partitioned = partitioned
        self.with_check = with_check
        self.content = "a"
        self.check_passes = True
        self.child_fails = False
        self.child_code = "1"
        self.condition = on_new_versions()
        self._cursor: Any = None

    def parent(self, name: str) -> AssetsDefinition:
        """An upstream asset whose data version is `content`."""

        @asset(name=name, partitions_def=nights if self.partitioned else None)
        def _parent() -> MaterializeResult:
            return MaterializeResult(data_version=DataVersion(self.content))

        return _parent

    def definitions(self) -> Definitions:
        """Fresh definitions, as after a reload of the code location."""
        partitions_def = nights if self.partitioned else None

        @asset(
            deps=["mother", "father"],
            partitions_def=partitions_def,
            code_version=self.child_code,
            automation_condition=self.condition,
        )
        def child() -> None:
            if self.child_fails:
                raise ValueError("as instructed")

        @asset_check(asset="mother", blocking=True, partitions_def=partitions_def)
        def mother_is_well() -> AssetCheckResult:
            return AssetCheckResult(passed=self.check_passes)

        checks = [mother_is_well] if self.with_check else []
        return Definitions(assets=[self.parent("mother"), self.parent("father"), child], asset_checks=checks)

    def make(self, *names: str, night: str = NIGHT) -> bool:
        """Run the named assets (with their checks) for a night; returns whether they succeeded."""
        definitions = self.definitions()
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[AssetKey(name) for name in names],
            partition_key=night if self.partitioned else None,
            raise_on_error=False,
        )
        return result.success

    def make_parents(self, content: str, *, night: str = NIGHT) -> None:
        """Make both parents with this content."""
        self.content = content
        self.make("mother", "father", night=night)

    def begin_child(self, *, night: str = NIGHT) -> str:
        """Leave a run of the child in progress; returns its id."""
        whole = self.definitions().resolve_implicit_global_asset_job_def()
        job_def = whole.get_subset(asset_selection={AssetKey("child")})
        tags = {"dagster/partition": night} if self.partitioned else {}
        run = self.instance.create_run_for_job(
            job_def, asset_selection=frozenset({AssetKey("child")}), tags=tags, status=DagsterRunStatus.STARTED
        )
        return run.run_id

    def evaluate(self, now: datetime | None = None) -> set[str | None]:
        """One tick; the nights asked for (None stands for an unpartitioned asset)."""
        result = evaluate_automation_conditions(
            self.definitions(), self.instance, cursor=self._cursor, evaluation_time=now
        )
        self._cursor = result.cursor
        return set(result.get_requested_partitions(AssetKey("child"))) if result.total_requested else set()


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture(params=[False, True], ids=["unpartitioned", "by night"])
def house(request: pytest.FixtureRequest, instance: DagsterInstance) -> House:
    """A house in its resting state: everything made once and the condition evaluated."""
    return rested(House(instance, partitioned=request.param))


def rested(house: House) -> House:
    house.make_parents("a")
    assert house.make("child")
    assert house.evaluate() == set(), "the first evaluation only takes notice"
    assert house.evaluate() == set()
    return house


def asked(house: House) -> set[str | None]:
    return {NIGHT} if house.partitioned else {None}


def test_first_evaluation_starts_nothing(instance: DagsterInstance) -> None:
    house = House(instance, partitioned=True)
    house.make_parents("a")
    assert house.evaluate() == set()
    assert house.evaluate() == set()


def test_same_version_again_does_not_fire(house: House) -> None:
    house.make_parents("a")
    assert house.evaluate() == set()


def test_new_version_fires_once(house: House) -> None:
    house.make_parents("b")
    assert house.evaluate() == asked(house)
    assert house.evaluate() == set()
    house.make("child")
    assert house.evaluate() == set()


def test_one_changed_parent_is_enough(house: House) -> None:
    house.content = "b"
    house.make("father")
    assert house.evaluate() == asked(house)


def test_new_night_fires_when_both_parents_are_there(instance: DagsterInstance) -> None:
    house = rested(House(instance, partitioned=True))
    house.make("mother", night=OTHER_NIGHT)
    assert house.evaluate() == set(), "father is missing"
    house.make("father", night=OTHER_NIGHT)
    assert house.evaluate() == {OTHER_NIGHT}


def test_nights_of_the_past_count(instance: DagsterInstance) -> None:
    house = rested(House(instance, partitioned=True))
    house.make_parents("b", night="2019-01-01")
    assert house.evaluate() == {"2019-01-01"}


def test_the_night_in_progress_waits_for_its_end(instance: DagsterInstance) -> None:
    house = House(instance, partitioned=True)
    house.condition = on_new_versions_after_the_night()
    house.make_parents("a")
    during, after = (datetime(2024, 5, day, 17, tzinfo=UTC) for day in (1, 2))
    assert house.evaluate(during) == set()
    house.make_parents("b")
    assert house.evaluate(during) == set(), "it is the night of today"
    house.make_parents("c")
    house.make_parents("c", night="2024-04-30")
    assert house.evaluate(during) == {"2024-04-30"}, "a night of the past"
    assert house.evaluate(during) == set()
    assert house.evaluate(after) == {NIGHT}
    house.make("child")
    assert house.evaluate(after) == set()


def test_code_version_fires(house: House) -> None:
    house.child_code = "2"
    assert asked(house) <= house.evaluate()
    assert house.evaluate() == set()


def test_code_version_asks_only_for_nights_with_parents(instance: DagsterInstance) -> None:
    house = rested(House(instance, partitioned=True))
    house.child_code = "2"
    assert house.evaluate() == {NIGHT}


def test_failed_run_is_retried_once(house: House) -> None:
    house.child_fails = True
    house.make_parents("b")
    assert house.evaluate() == asked(house)
    assert not house.make("child")
    assert house.evaluate() == asked(house), "the retry"
    assert house.evaluate() == set()
    assert not house.make("child")
    assert [house.evaluate() for _ in range(3)] == [set(), set(), set()], "no second retry"


def test_slow_failure_is_retried_once(house: House) -> None:
    """A run that is seen in progress between two failures is not a new failure."""
    house.child_fails = True
    house.make_parents("b")
    house.evaluate()
    for expected in (asked(house), set(), set()):
        run_id = house.begin_child()
        assert house.evaluate() == set()
        run = house.instance.get_run_by_id(run_id)
        assert run is not None
        house.instance.report_run_failed(run)
        assert house.evaluate() == expected


def test_change_after_exhausted_retry_fires(house: House) -> None:
    house.child_fails = True
    house.make_parents("b")
    house.evaluate()
    house.make("child")
    house.evaluate()
    house.make("child")
    house.evaluate()
    house.make_parents("c")
    assert house.evaluate() == asked(house)
    house.make("child")
    assert house.evaluate() == asked(house), "a new change has a retry of its own"


def test_change_during_a_run_waits_then_fires(house: House) -> None:
    run_id = house.begin_child()
    assert house.evaluate() == set()
    house.make_parents("b")
    assert house.evaluate() == set(), "a run is in progress"
    run = house.instance.get_run_by_id(run_id)
    assert run is not None
    house.instance.report_run_canceled(run)
    assert house.evaluate() == asked(house)


def test_grandchild_waits_for_the_child(instance: DagsterInstance) -> None:
    """Both see that the mother has changed; the grandchild is asked for once, when the child is made."""
    content = "a"

    @asset(partitions_def=nights)
    def mother() -> MaterializeResult:
        return MaterializeResult(data_version=DataVersion(content))

    @asset(partitions_def=nights, deps=[mother], automation_condition=on_new_versions(), code_version="1")
    def child() -> MaterializeResult:
        return MaterializeResult(data_version=DataVersion(content))

    @asset(partitions_def=nights, deps=[mother, child], automation_condition=on_new_versions(), code_version="1")
    def grandchild() -> None:
        pass

    definitions = Definitions(assets=[mother, child, grandchild])
    cursor = None

    def make(*names: str) -> None:
        whole = definitions.resolve_implicit_global_asset_job_def()
        keys = [AssetKey(name) for name in names]
        assert whole.execute_in_process(instance=instance, asset_selection=keys, partition_key=NIGHT).success

    def requested() -> set[str]:
        nonlocal cursor
        result = evaluate_automation_conditions(definitions, instance, cursor=cursor)
        cursor = result.cursor
        return {name for name in ("child", "grandchild") if result.get_requested_partitions(AssetKey(name))}

    make("mother", "child", "grandchild")
    assert requested() == set()
    content = "b"
    make("mother")
    assert requested() == {"child"}
    make("child")
    assert requested() == {"grandchild"}
    make("grandchild")
    assert [requested() for _ in range(3)] == [set(), set(), set()]


def test_grandchild_is_made_although_the_child_comes_out_the_same(instance: DagsterInstance) -> None:
    """The change that it waited for is not forgotten."""
    content = "a"

    @asset(partitions_def=nights)
    def mother() -> MaterializeResult:
        return MaterializeResult(data_version=DataVersion(content))

    @asset(partitions_def=nights, deps=[mother], automation_condition=on_new_versions(), code_version="1")
    def child() -> MaterializeResult:
        return MaterializeResult(data_version=DataVersion("always"))

    @asset(partitions_def=nights, deps=[mother, child], automation_condition=on_new_versions(), code_version="1")
    def grandchild() -> None:
        pass

    definitions = Definitions(assets=[mother, child, grandchild])
    whole = definitions.resolve_implicit_global_asset_job_def()
    whole.execute_in_process(instance=instance, partition_key=NIGHT)
    first = evaluate_automation_conditions(definitions, instance)
    content = "b"
    whole.execute_in_process(instance=instance, asset_selection=[AssetKey("mother")], partition_key=NIGHT)
    second = evaluate_automation_conditions(definitions, instance, cursor=first.cursor)
    assert set(second.get_requested_partitions(AssetKey("child"))) == {NIGHT}
    assert not second.get_requested_partitions(AssetKey("grandchild"))
    whole.execute_in_process(instance=instance, asset_selection=[AssetKey("child")], partition_key=NIGHT)
    third = evaluate_automation_conditions(definitions, instance, cursor=second.cursor)
    assert set(third.get_requested_partitions(AssetKey("grandchild"))) == {NIGHT}


def test_change_between_the_request_and_the_next_tick_is_not_lost(house: House) -> None:
    house.make_parents("b")
    assert house.evaluate() == asked(house)
    run_id = house.begin_child()
    house.make_parents("c")
    assert house.evaluate() == set(), "the run that read b is in progress"
    run = house.instance.get_run_by_id(run_id)
    assert run is not None
    house.instance.report_run_canceled(run)
    assert house.evaluate() == asked(house)
    assert house.evaluate() == set()


def test_missing_parent_does_not_fire(instance: DagsterInstance) -> None:
    house = House(instance, partitioned=False)
    house.evaluate()
    house.content = "b"
    house.make("mother")
    assert house.evaluate() == set()
    house.make("father")
    assert house.evaluate() == {None}


@pytest.mark.parametrize("partitioned", [False, True], ids=["unpartitioned", "by night"])
def test_failed_blocking_check_holds_back_until_it_passes(instance: DagsterInstance, partitioned: bool) -> None:
    house = rested(House(instance, partitioned=partitioned, with_check=True))
    house.check_passes = False
    house.make_parents("b")
    assert house.evaluate() == set()
    house.check_passes = True
    house.make_parents("c")
    assert house.evaluate() == asked(house)


def test_materialisations_logged_by_an_op_count(instance: DagsterInstance) -> None:
    """A drain run is an op job: what it yields with a data version is seen like a made asset."""
    house = rested(House(instance, partitioned=True))

    def report(version: str) -> None:
        @op(out={})
        def drain_like() -> Iterator[AssetMaterialization]:
            for key in ("mother", "father"):
                yield AssetMaterialization(key, partition=OTHER_NIGHT, tags={"dagster/data_version": version})

        @job
        def drain_job() -> None:
            drain_like()

        assert drain_job.execute_in_process(instance=instance).success

    report("x")
    assert house.evaluate() == {OTHER_NIGHT}
    report("x")
    assert house.evaluate() == set()
    report("y")
    assert house.evaluate() == {OTHER_NIGHT}


@pytest.mark.parametrize("passed", [True, False])
def test_checks_evaluated_by_an_op_count(instance: DagsterInstance, passed: bool) -> None:
    """A drain run evaluates the checks of its nights itself, without the run machinery of checks."""
    house = rested(House(instance, partitioned=True, with_check=True))

    @op(out={})
    def drain_like() -> Iterator[AssetMaterialization | AssetCheckEvaluation]:
        for key in ("mother", "father"):
            yield AssetMaterialization(key, partition=NIGHT, tags={"dagster/data_version": "x"})
        # Without its target an evaluation would be attributed to an older materialisation.
        target = newest_materialisations(instance, "mother", [NIGHT])[NIGHT]
        yield AssetCheckEvaluation(
            asset_key=AssetKey("mother"),
            check_name="mother_is_well",
            passed=passed,
            severity=AssetCheckSeverity.ERROR,
            partition=NIGHT,
            target_materialization_data=target,
            blocking=False,
        )

    @job
    def drain_job() -> None:
        drain_like()

    assert drain_job.execute_in_process(instance=instance).success
    assert house.evaluate() == ({NIGHT} if passed else set())


def test_sensor_runs_by_default() -> None:
    sensor = build_automation_sensor(5)
    assert (sensor.default_status.value, sensor.minimum_interval_seconds) == ("RUNNING", 5)


@pytest.mark.parametrize("seconds", [30, 5])
def test_every_step_of_the_chain_of_levels_looks_at_the_same_interval(seconds: int, tmp_path: Path) -> None:
    """From a file that arrives to the last level: the demonstration, which somebody watches, sets five seconds."""
    settings = Settings(
        automation=AutomationSettings(follow_seconds=seconds),
        telemetry=TelemetrySettings(incoming=[tmp_path.as_uri()], databases=tmp_path, configuration=tmp_path),
    )
    sensors = {sensor.name: sensor for sensor in build_defs(settings=settings).get_repository_def().sensor_defs}
    chain = ("telemetry_files", "telemetry_inputs", "automation")
    assert {name: sensors[name].minimum_interval_seconds for name in chain} == dict.fromkeys(chain, seconds)


OPERATOR = 0
"""Priority of runs without the tag: those that an operator starts, by hand or in a backfill."""


def test_operators_come_before_what_follows_by_itself_and_after_what_arrives() -> None:
    assert int(BACKGROUND["dagster/priority"]) < OPERATOR < int(RECEPTION["dagster/priority"])
    assert BACKGROUND.items() <= build_automation_sensor(30).run_tags.items()


def test_every_run_that_a_sensor_or_a_schedule_asks_for_has_a_priority() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted(Path(sensors.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("RunRequest", "ScheduleDefinition"):
                tags = [keyword.value for keyword in node.keywords if keyword.arg == "tags"]
                names = {name.id for value in tags for name in ast.walk(value) if isinstance(name, ast.Name)}
                chosen = names & {"BACKGROUND", "PROMPT", "RECEPTION", "priority"}
                assert len(chosen) == 1, f"{path.name}:{node.lineno}: which priority?"
                found.setdefault(path.stem, set()).update(chosen)
    assert {name for name, chosen in found.items() if chosen == {"RECEPTION"}} == {
        "annotations",
        "broker_messages",
        "kafka_lag",
        "notices",
    }
    # somebody is waiting for the answer, or for new objects
    assert {name for name, chosen in found.items() if chosen == {"PROMPT"}} == {"queries", "roots"}
    # all runs of jobs that need a reason are requested in one place, which sets the priority
    assert {name for name, chosen in found.items() if chosen == {"priority"}} == {"run_history"}
