"""When the automation conditions are evaluated: after something has happened, instead of at every tick.

An evaluation goes through all assets and their partitions and takes a second of CPU time; usually nothing has happened
since the previous one, and its result would be the same. Almost everything that can change the result leaves an event
in Dagster's log (materialisations, observations, checks, runs from request to end) or changes a backfill. The
exceptions are deleted partitions and the beginning of a night: a full evaluation every few minutes finds these.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from dagster import AutomationConditionSensorDefinition, DagsterInstance, SensorEvaluationContext

from broker_assets.dagster_internals import BulkActionsFilter, BulkActionStatus, SensorExecutionData

SETTLED: Final = 2
"""Evaluations of the same state before ticks are skipped: a change is seen on one tick, a request one tick late."""

LONGEST_SECONDS: Final = 300.0
"""Longest time between two evaluations, seconds, whatever has happened."""

UNFINISHED: Final = [
    status
    for status in BulkActionStatus
    if status.value not in ("COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "CANCELED", "FAILED")
]


@dataclass(frozen=True)
class State:
    """The state of Dagster's storage; equal states give equal evaluations."""

    event: int | None
    """Newest event of the log."""
    backfills: tuple[tuple[str, str], ...]
    """Backfills in progress, and their status."""

    @classmethod
    def of(cls, instance: DagsterInstance) -> State:
        """The state now: two small queries."""
        active = instance.get_backfills(filters=BulkActionsFilter(statuses=UNFINISHED))
        found = tuple(sorted((backfill.backfill_id, backfill.status.value) for backfill in active))
        return cls(instance.event_log_storage.get_maximum_record_id(), found)


class AutomationOnChange(AutomationConditionSensorDefinition):
    """The sensor of the automation conditions; it is evaluated in the code server, and skips where nothing happened."""

    _seen: State | None = None
    _times = 0
    _evaluated = float("-inf")
    _cursor: str | None = None

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **{**options, "use_user_code_server": True})

    def evaluate_tick(self, context: SensorEvaluationContext) -> SensorExecutionData:
        """Evaluate, or skip the tick if nothing has happened since the last evaluation."""
        now = time.monotonic()
        # Before the evaluation: what happens meanwhile is new at the next tick.
        state = State.of(context.instance)
        # A cursor that is not ours was reset by an operator, or belongs to another process.
        known = state == self._seen and context.cursor == self._cursor and now - self._evaluated < LONGEST_SECONDS
        if known and self._times >= SETTLED:
            return SensorExecutionData(
                skip_message="nothing has happened since the last evaluation", cursor=context.cursor
            )
        found = super().evaluate_tick(context)
        self._seen, self._cursor, self._evaluated = state, found.cursor, now
        self._times = self._times + 1 if known and not found.run_requests else 1
        if found.run_requests:
            return found
        return SensorExecutionData(
            skip_message="no inputs have changed, or they are not ready",
            cursor=found.cursor,
            automation_condition_evaluations=found.automation_condition_evaluations,
        )
