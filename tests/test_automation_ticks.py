"""The automation conditions are evaluated when something has happened, and then until nothing more follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from dagster import (
    AssetMaterialization,
    AutomationCondition,
    DagsterInstance,
    DefaultSensorStatus,
    Definitions,
    asset,
    build_sensor_context,
)

from broker_assets.automation import on_new_versions
from broker_assets.automation_ticks import LONGEST_SECONDS, AutomationOnChange, State

QUIET = "nothing has happened since the last evaluation"
EVALUATED = "no inputs have changed, or they are not ready"


@asset
def mother() -> None:
    """An input."""


@asset(deps=[mother], automation_condition=on_new_versions())
def child() -> None:
    """What automation makes."""


class Ticks:
    """Ticks of the sensor, each with the cursor of the one before."""

    def __init__(self, instance: DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None
        self.restart()

    def restart(self) -> None:
        """A new code server, which knows only the cursor."""
        self.sensor = AutomationOnChange("automation", target="*", default_status=DefaultSensorStatus.RUNNING)
        self.repository = Definitions([mother, child], sensors=[self.sensor]).get_repository_def()

    def tick(self) -> str:
        """What a tick says: `QUIET`, `EVALUATED`, or for how many runs it asks."""
        found = self.sensor.evaluate_tick(
            build_sensor_context(self.instance, self.cursor, repository_def=self.repository)
        )
        self.cursor = found.cursor
        return found.skip_message or f"{len(found.run_requests or ())} runs"


@pytest.fixture
def ticks() -> Iterator[Ticks]:
    with DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(AssetMaterialization("mother", tags={"dagster/data_version": "a"}))
        yield Ticks(instance)


def test_a_quiet_platform_is_evaluated_twice(ticks: Ticks) -> None:
    assert [ticks.tick() for _ in range(5)] == [EVALUATED, EVALUATED, QUIET, QUIET, QUIET]


def test_a_new_version_is_seen_at_the_next_tick(ticks: Ticks) -> None:
    while ticks.tick() != QUIET:
        pass
    ticks.instance.report_runless_asset_event(AssetMaterialization("mother", tags={"dagster/data_version": "b"}))
    assert ticks.tick() == "1 runs"
    # No run was started here: nothing has happened except the request itself.
    assert [ticks.tick() for _ in range(3)] == [EVALUATED, QUIET, QUIET]


def test_the_same_as_without_leaving_ticks_out(ticks: Ticks) -> None:
    """A change that must wait is requested as soon as what it waited for exists."""
    while ticks.tick() != QUIET:
        pass
    ticks.instance.report_runless_asset_event(AssetMaterialization("mother", tags={"dagster/data_version": "a"}))
    assert ticks.tick() == EVALUATED, "the same content is no change"
    ticks.instance.wipe_assets([mother.key])
    ticks.instance.report_runless_asset_event(AssetMaterialization("mother", tags={"dagster/data_version": "c"}))
    assert ticks.tick() == "1 runs"


def test_a_reset_cursor_a_new_code_server_and_time_give_an_evaluation(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    while ticks.tick() != QUIET:
        pass
    ticks.restart()
    assert ticks.tick() == EVALUATED
    while ticks.tick() != QUIET:
        pass
    ticks.cursor = None
    assert ticks.tick() == EVALUATED
    while ticks.tick() != QUIET:
        pass
    monkeypatch.setattr("broker_assets.automation_ticks.LONGEST_SECONDS", 0.0)
    assert ticks.tick() == EVALUATED
    assert LONGEST_SECONDS <= 300.0, "the beginning of a night leaves no event"


def test_a_backfill_that_ends_is_a_change(ticks: Ticks) -> None:
    before = State.of(ticks.instance)
    assert before == State.of(ticks.instance)
    assert before.backfills == ()
    assert dataclasses.replace(before, backfills=(("b", "REQUESTED"),)) != before


def test_conditions_of_all_assets_are_evaluated(ticks: Ticks) -> None:
    assert isinstance(child.automation_conditions_by_key[child.key], AutomationCondition)
    assert AutomationOnChange("automation", target="*").sensor_type.value == "AUTOMATION"
