"""Failed runs: what they should have made, and whether it has been made since.

The cause of a failure is the asset and partition that the failed step should have made; one asset stands for all that a
step makes. It ends when they are materialised. The cause of a failed run that makes no assets is its job, with the set
of Kafka partitions for drain runs; it ends when a later run of the same job succeeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    EventLogEntry,
    EventLogRecord,
    RunsFilter,
    RunStatusChangeRecordsFilter,
)

from broker_assets.assets.alerts.streams import DRAIN_TAG, stream_key
from broker_assets.assets.reporter import ADDS_TAG
from broker_assets.dagster_internals import CHECK_FAILED_ERROR, WILL_RETRY_TAG
from broker_assets.monitoring.alerts import NEXT_STEP, Alert, Cause, OpenAlert
from broker_assets.sensors.watch.checks import stated_step
from broker_assets.sensors.watch.findings import Findings, Links, plain, summary

PAGE: Final = 100
MOST_PAGES: Final = 20
"""Number of newest materialisations that are read at once, and how often: drain runs add to a night all the time."""


@dataclass(frozen=True)
class Planned:
    """What a step of a run should have made."""

    step: str
    asset: str
    partition: str


def read_failures(
    instance: DagsterInstance, links: Links, after: int | None, *, since: float, limit: int
) -> tuple[Findings, int | None]:
    """Runs that failed for good since the cursor; arguments and result as those of `checks.read_checks`."""
    records = instance.fetch_run_status_changes(
        RunStatusChangeRecordsFilter(
            DagsterEventType.RUN_FAILURE,
            after_storage_id=after,
            after_timestamp=since if after is None else None,
        ),
        limit=limit,
        ascending=True,
    ).records
    found = Findings()
    for record in records:
        run = instance.get_run_by_id(record.run_id)
        if run is None or run.tags.get(WILL_RETRY_TAG) == "true":
            continue
        errors = _errors(instance, run.run_id)
        if not any(error.text for error in errors):
            event = record.event_log_entry.dagster_event
            said = event.message if event is not None else ""
            errors = [StepError("", (said or "").strip() or "the run ended without saying why")]
        lacking = not_made(instance, run.run_id)
        for error in errors:
            if error.text and not error.of_check:
                own = [item for item in lacking if item.step == error.step]
                # A step that made everything before it failed kept others from being made, which report nothing.
                failed = own or [item for item in lacking if all(item.step != other.step for other in errors)]
                found.alerts.extend(_alerts(links, run, error, failed, record.storage_id))
    return found, records[-1].storage_id if records else after


def _alerts(links: Links, run: DagsterRun, error: StepError, failed: list[Planned], event: int) -> Iterator[Alert]:
    """Yield an alert for each partition of each step that made nothing."""
    what = f"run failed: {summary(error.text)}"
    by_place: dict[tuple[str, str], list[str]] = {}
    for item in failed:
        by_place.setdefault((item.step, item.partition), []).append(item.asset)
    for (_, partition), assets in sorted(by_place.items()):
        first, others = min(assets), sorted(set(assets) - {min(assets)})
        cause = Cause("run", first, partition)
        body = f"{error.text}\n\nNot made, either: {', '.join(others)}." if others else error.text
        again = (
            f"after the fix, materialise {cause.place} again, on the page of the asset"
            if partition
            else f"after the fix, materialise {first} again"
        )
        step = error.next_step or f"read the error on the page of the run; {again}"
        yield Alert(cause, what, "error", body, step, links.run(run.run_id), event)
    if not by_place:
        cause = job_cause(run)
        again = f"read the error on the page of the run; the next run of {run.job_name} that succeeds ends this alert"
        step = error.next_step or again
        yield Alert(cause, what, "error", error.text, step, links.run(run.run_id), event)


def job_cause(run: DagsterRun) -> Cause:
    """The cause of a run that makes no planned assets: its job, or the stream and partitions that it drains."""
    drained = run.tags.get(DRAIN_TAG)
    if drained is not None:
        topic, _, partitions = drained.rpartition(":")
        return Cause("run", stream_key(topic).to_user_string(), partitions, run.job_name)
    return Cause("run", run.job_name, "", run.job_name)


def not_made(instance: DagsterInstance, run_id: str) -> list[Planned]:
    """Return what a run should have materialised but did not."""
    planned: dict[tuple[str, str], str] = {}
    kinds = {DagsterEventType.ASSET_MATERIALIZATION_PLANNED, DagsterEventType.ASSET_MATERIALIZATION}
    for record in instance.get_records_for_run(run_id, of_type=kinds).records:
        event = record.event_log_entry.dagster_event
        if event is None or event.asset_key is None:
            continue
        place = (event.asset_key.to_user_string(), event.partition or "")
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
            planned.pop(place, None)
        else:
            planned[place] = record.event_log_entry.step_key or event.step_key or ""
    return [Planned(step, asset, partition) for (asset, partition), step in planned.items()]


@dataclass(frozen=True)
class StepError:
    """The failure of a step: a run continues with the steps that do not depend on it, and they may fail as well."""

    step: str = ""
    text: str = ""
    """Its text, without the errors that Dagster wraps around it and without the module of its class."""
    next_step: str = ""
    """What should be done, according to the step."""
    of_check: bool = False
    """Whether a blocking check failed, which raises its own alert."""


def _errors(instance: DagsterInstance, run_id: str) -> list[StepError]:
    records = instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_FAILURE).records
    return [_error(record.event_log_entry) for record in records]


def _error(entry: EventLogEntry) -> StepError:
    event, step = entry.dagster_event, entry.step_key or ""
    if event is None:
        return StepError(step)
    data = event.step_failure_data
    if (stated := data.user_failure_data) is not None:
        facts = [f"{name}: {_plain(value.value)}" for name, value in stated.metadata.items() if name != NEXT_STEP]
        text = "\n\n".join([stated.description or stated.label, *facts])
        return StepError(step, text, stated_step(stated.metadata))
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return StepError(step)
    message = error.message.strip()
    return StepError(step, plain(message), of_check=CHECK_FAILED_ERROR in message)


def _plain(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def settled(instance: DagsterInstance, links: Links, failures: Iterable[Alert | OpenAlert]) -> dict[Cause, str]:
    """Return the failures whose asset and partition have been made since, or whose job has succeeded since."""
    ended = {}
    for alert in failures:
        cause = alert.cause
        if cause.kind != "run":
            continue
        if cause.detail:
            what, run_id = "run", _succeeded(instance, cause)
        else:
            what, run_id = "materialisation", made_since(instance, cause.asset, cause.partition, alert.event)
        if run_id is not None:
            ended[cause] = f"a later {what} succeeded" + (f" ({links.run(run_id)})" if run_id else "")
    return ended


def made_since(instance: DagsterInstance, asset: str, partition: str, event: int | None) -> str | None:
    """Return the run of the newest materialisation of an asset or a partition after an event; None if there is none.

    Those that only added to it do not count (`broker_assets.assets.reporter.ADDS_TAG`).
    """
    places = [partition] if partition else None
    wanted = AssetRecordsFilter(AssetKey.from_user_string(asset), asset_partitions=places, after_storage_id=event)
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = instance.fetch_materializations(wanted, limit=PAGE, cursor=cursor)
        made = next((record.run_id for record in page.records if is_whole(record)), None)
        if made is not None or not page.has_more:
            return made
        cursor = page.cursor
    return None


def is_whole(record: EventLogRecord) -> bool:
    """Whether a materialisation made the whole asset or partition, instead of adding to it."""
    event = record.asset_materialization
    return event is not None and ADDS_TAG not in (event.tags or {})


def _succeeded(instance: DagsterInstance, cause: Cause) -> str | None:
    """Return the newest ended run of the same job (and the same Kafka partitions) if it succeeded, else None."""
    drained = cause.asset.removeprefix("alert_stream/") + f":{cause.partition}"
    tags = {DRAIN_TAG: drained} if cause.partition else {}
    statuses = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]
    newest = instance.get_runs(RunsFilter(job_name=cause.detail, tags=tags, statuses=statuses), limit=1)
    return newest[0].run_id if newest and newest[0].status == DagsterRunStatus.SUCCESS else None
