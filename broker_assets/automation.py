"""When assets are materialised automatically.

Every automation condition of the package is defined here, once, with the reason for each clause, and every row of
its truth table has a test (``tests/test_automation.py``). Assets use one of these conditions and add nothing to it;
work that is triggered from outside (by Kafka lag or a file) belongs in a sensor, not here.

Dagster's built-in ``eager()`` is not used: it fires when a parent is rebuilt with the same content, never fires
when the code changes, and considers only the latest night.
"""

from __future__ import annotations

from typing import Final

from dagster import (
    AssetKey,
    AssetSelection,
    AutomationCondition,
    AutomationConditionSensorDefinition,
    DefaultSensorStatus,
)

from broker_assets.automation_ticks import AutomationOnChange

SENSOR = "automation"
"""Name of the sensor that evaluates the conditions."""

# The queue starts the waiting run of the highest priority first, and of equal ones the oldest. An operator waits for
# the runs that they start, by hand or in a backfill (no tag: priority 0); runs that automation starts after a change
# may come later. Runs that receive data come before both: behind a backfill of a year of nights, the stream would stop
# for days.
BACKGROUND: Final = {"dagster/priority": "-1"}
"""Tags of runs that automation, sensors and schedules start, except those that receive data."""
RECEPTION: Final = {"dagster/priority": "1"}
"""Tags of runs that read alerts, notices and telemetry as they arrive."""
# These take seconds. At background priority they started after everything that automation had requested earlier: with
# the telemetry products of the demonstration in the queue and four runs at a time, a changed catalogue waited for
# minutes.
PROMPT: Final = {"dagster/priority": "1"}
"""Tags of the short runs that bring changed lists and catalogues into force: users wait for them."""

UNUSED_SECONDS: Final = 600
"""Seconds between ticks of sensors that have nothing to do under the current settings: a tick starts several
processes."""

TRIGGER: Final = {"broker/trigger": "automation"}
"""Tag of the runs that automation starts."""


def inputs_changed() -> AutomationCondition[AssetKey]:
    """True on the tick at which something that determines the asset has changed."""
    # Content, not time: a parent that was rebuilt with the same result requires no action.
    parent_has_new_content = AutomationCondition.any_deps_match(AutomationCondition.data_version_changed())
    # A new version of the function makes the asset stale although no input has changed.
    code_is_new = AutomationCondition.code_version_changed()
    return (parent_has_new_content | code_is_new).with_label("inputs_changed")


def pending(reason: AutomationCondition[AssetKey]) -> AutomationCondition[AssetKey]:
    """True from the tick of a reason until a run has been requested.

    A change is an edge, visible on one tick only: without this latch it would be lost while a run is in progress, a
    parent is missing or a check has failed.
    """
    # Dagster sees the request one tick late, and in `since` the reset takes precedence: a parent that changed, or a
    # run that failed, in those 30 s would be forgotten. A new reason therefore keeps the latch set.
    handled = AutomationCondition.newly_requested() & ~reason
    # A newly deployed asset waits for a change, or for an operator's backfill, instead of starting 3,000 nights.
    return reason.since(handled | AutomationCondition.initial_evaluation())


def failed_for_the_first_time() -> AutomationCondition[AssetKey]:
    """True on the tick at which the asset fails, once per change of its inputs.

    The bare ``execution_failed()`` stays true and requests a run at every tick for ever (another project had 368,000
    failed runs in a fortnight). ``execution_failed().newly_true()`` fires again after each failed retry that was
    seen in progress. The failure is therefore remembered until the inputs change, and only its first tick counts.
    """
    # While a change still waits for its run, the visible failure is that of the previous run.
    failure = AutomationCondition.execution_failed() & ~pending(inputs_changed())
    return failure.since(inputs_changed()).newly_true().with_label("failed_for_the_first_time")


def on_new_versions() -> AutomationCondition[AssetKey]:
    """Materialise an asset when, and only when, its inputs or its code have changed.

    For assets with at most 10,000 partition keys (50,000 keys cost 10 s per tick). There is deliberately no
    restriction to the latest time window: a reprocessed night of last year is as new as tonight.

    Examples
    --------
    >>> on_new_versions().get_label()
    'on_new_versions'
    """
    return (
        (pending(inputs_changed()) | pending(failed_for_the_first_time()))
        # With incomplete inputs the product would be incomplete.
        & ~AutomationCondition.any_deps_missing()
        # A parent that is being built will change again in a moment; one run instead of two.
        & ~AutomationCondition.any_deps_in_progress()
        & ~AutomationCondition.any_deps_match(AutomationCondition.will_be_requested())
        # Two runs of the same partition would race each other.
        & ~AutomationCondition.in_progress()
        # Nothing is built from an asset whose blocking checks failed.
        & AutomationCondition.all_deps_blocking_checks_passed()
    ).with_label("on_new_versions")


def on_new_versions_after_the_night() -> AutomationCondition[AssetKey]:
    """The same for assets by night that are made once a night is over, not with every drain run of it.

    Examples
    --------
    >>> on_new_versions_after_the_night().get_label()
    'on_new_versions_after_the_night'
    """
    # The latest partition is the night in progress: its rows change every few minutes. What changed is remembered, and
    # the night is requested when the next one begins.
    return (on_new_versions() & ~AutomationCondition.in_latest_time_window()).with_label(
        "on_new_versions_after_the_night"
    )


def build_automation_sensor(seconds: int) -> AutomationConditionSensorDefinition:
    """Evaluates every condition of the code location, at this interval, if anything has happened.

    An evaluation over a few thousand nights takes a few tenths of a second.
    """
    return AutomationOnChange(
        SENSOR,
        description="Rebuilds assets whose inputs or code have changed (broker_assets/automation.py).",
        target=AssetSelection.all(),
        # The sensor that Dagster adds by default is stopped until an operator switches it on.
        default_status=DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=seconds,
        run_tags={**TRIGGER, **BACKGROUND},
    )
