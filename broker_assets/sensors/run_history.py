"""How the last runs of a sensor ended, and how long it waits before it requests the next one.

A run that fails is followed by another after a pause that grows with every failure. A run that was killed after it had
stored part of its work does not count as a failure: only runs without progress count, so that any number of kills does
not stop a healthy stream. Failures from before this code was loaded do not count either: a deployment may have removed
their cause.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunRequest, RunsFilter

from broker_assets.assets.alerts.streams import ACTIVE_RUNS
from broker_assets.automation import BACKGROUND
from broker_assets.backoff import RUNS, pause_after

REMEMBERED_FAILURES = 8
"""Runs that are examined; after as many failures the pause is at its longest."""

LOADED: float = time.time()
"""When the code server loaded this module, Unix time."""

Progressed = Callable[[Sequence[str]], Collection[str]]
"""Returns which of some runs (by identifier) have stored something."""


@dataclass(frozen=True)
class RunHistory:
    """The last runs of some kind."""

    last: str
    """Identifier of the last run; empty if there was none."""
    active: bool
    """Whether one of them has not ended."""
    failures: int
    """Runs in a row, up to the last one, that failed without progress."""
    ended: float
    """When the last one ended, Unix time."""

    def pause(self, now: float) -> float:
        """Seconds until the next run may start; not positive if it may start now."""
        return self.ended + pause_after(self.failures, RUNS) - now if self.failures else 0.0


def run_history(
    instance: DagsterInstance,
    filters: RunsFilter,
    progressed: Progressed = lambda _: frozenset(),
    *,
    since: float = LOADED,
) -> RunHistory:
    """The history of the runs that a filter selects; failures that ended before `since` (Unix time) do not count."""
    records = instance.get_run_records(filters, limit=REMEMBERED_FAILURES)
    failed = [
        record.dagster_run.run_id
        for record in itertools.takewhile(
            lambda record: record.dagster_run.status == DagsterRunStatus.FAILURE and _ended(record) > since, records
        )
    ]
    stored = progressed(failed) if failed else ()
    last = records[0] if records else None
    return RunHistory(
        last=last.dagster_run.run_id if last is not None else "",
        active=any(record.dagster_run.status in ACTIVE_RUNS for record in records),
        failures=len(list(itertools.takewhile(lambda run_id: run_id not in stored, failed))),
        ended=_ended(last) if last is not None else 0.0,
    )


def requested(
    instance: DagsterInstance,
    job: str,
    reasons: Sequence[str],
    priority: Mapping[str, str] = BACKGROUND,
    progressed: Progressed = lambda _: frozenset(),
) -> RunRequest | str:
    """Return a request for a run of a job if there are reasons for it, or a sentence on why it must wait."""
    why = "; ".join(reasons)
    history = run_history(instance, RunsFilter(job_name=job), progressed)
    if history.active:
        return f"a run is in progress ({why})"
    left = history.pause(time.time())
    if left > 0:
        return f"{history.failures} consecutive runs failed, next run in {left:.0f} s ({why})"
    return RunRequest(run_key=f"{job}/{history.last}", job_name=job, tags={"broker/reason": why[:200], **priority})


def _ended(record: RunRecord) -> float:
    return record.end_time or record.update_timestamp.timestamp()
