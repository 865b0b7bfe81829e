"""Notifies operators of failed checks, failed runs and overdue assets.

Dagster's run-failure sensors do not see failed checks that block nothing, and continue when their function raises.
This sensor therefore reads the event log itself, in order, from a cursor: its findings are first recorded in the table
`notification`, then the cursor moves, then what is due is sent. Nothing is lost if any of these steps fails, and the
recorded cause decides whether something is new (`broker_assets.resources.notifier`).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import sqlalchemy as sa
from dagster import (
    AssetCheckSeverity,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    DefaultSensorStatus,
    EventRecordsFilter,
    ResourceParam,
    RunStatusChangeRecordsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.dagster_internals import CHECK_FAILED_ERROR, WILL_RETRY_TAG
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.resources.database import DatabaseNotConfiguredError
from broker_assets.resources.notifier import Alert, Notifier

INTERVAL_SECONDS = 30

EVENTS = 500
"""Maximum number of events read in one tick; the next one continues."""

FIRST_LOOK_SECONDS = 86_400.0
"""How far a sensor without cursor looks back, instead of over years of solved problems."""

_NUMBERS = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


@dataclass(frozen=True)
class Position:
    """Position in the event log; small, whatever the size of the log."""

    checks: int | None = None
    """Storage id of the last check evaluation read."""
    failures: int | None = None
    """Storage id of the last run failure read."""


@dataclass(frozen=True)
class Findings:
    """Findings from the event log."""

    alerts: list[Alert] = field(default_factory=list)
    """In order; the last alert of a cause counts."""
    ended: list[str] = field(default_factory=list)
    """Causes that are over."""
    position: Position = field(default_factory=Position)


def check_cause(asset: AssetKey, check: str, partition: str | None) -> str:
    """Name the cause of a failed check, the same each time.

    Examples
    --------
    >>> check_cause(AssetKey("sources"), "ledger_balances", "2024-05-01")
    'check sources/ledger_balances of 2024-05-01'
    """
    return f"check {asset.to_user_string()}/{check}" + (f" of {partition}" if partition else "")


def failure_cause(job: str, error: str) -> str:
    """Name the cause of a failed run: its job and its error, without the numbers that differ each time.

    Examples
    --------
    >>> failure_cause("drain", "OSError: no space for 123 bytes at 0x7f12ab")
    'run of drain: OSError: no space for # bytes at #'
    """
    return f"run of {job}: {_NUMBERS.sub('#', error)[:300]}"


def read_checks(
    instance: DagsterInstance, notifier: Notifier, after: int | None, *, now: float, limit: int = EVENTS
) -> Findings:
    """Failed and passed checks since the cursor, by cause; the last evaluation of a tick decides."""
    records = instance.get_event_records(
        EventRecordsFilter(
            DagsterEventType.ASSET_CHECK_EVALUATION,
            after_cursor=after,
            after_timestamp=now - FIRST_LOOK_SECONDS if after is None else None,
        ),
        limit=limit,
        ascending=True,
    )
    latest: dict[str, Alert | None] = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        evaluation = event.asset_check_evaluation_data
        cause = check_cause(evaluation.asset_key, evaluation.check_name, evaluation.partition)
        if evaluation.passed:
            latest[cause] = None
            continue
        asset = evaluation.asset_key.to_user_string()
        level = "warning" if evaluation.severity == AssetCheckSeverity.WARN else "error"
        of_night = f" of {evaluation.partition}" if evaluation.partition else ""
        lines = [
            evaluation.description or "The check did not pass.",
            f"Asset {notifier.asset_link(asset)}, {notifier.run_link(record.run_id)}",
        ]
        if evaluation.blocking and level == "error":
            lines.append("Nothing is built from it until the check passes.")
        latest[cause] = Alert(cause, f"{level}: {asset}{of_night}: {evaluation.check_name}", "\n\n".join(lines))
    return Findings(
        alerts=[alert for alert in latest.values() if alert is not None],
        ended=[cause for cause, alert in latest.items() if alert is None],
        position=Position(checks=records[-1].storage_id if records else after),
    )


def read_failures(
    instance: DagsterInstance, notifier: Notifier, after: int | None, *, now: float, limit: int = EVENTS
) -> Findings:
    """Runs that failed for good since the cursor."""
    records = instance.fetch_run_status_changes(
        RunStatusChangeRecordsFilter(
            DagsterEventType.RUN_FAILURE,
            after_storage_id=after,
            after_timestamp=now - FIRST_LOOK_SECONDS if after is None else None,
        ),
        limit=limit,
        ascending=True,
    ).records
    alerts = []
    for record in records:
        run = instance.get_run_by_id(record.run_id)
        event = record.event_log_entry.dagster_event
        if run is None or event is None or run.tags.get(WILL_RETRY_TAG) == "true":
            continue
        step, error = _first_error(instance, record.run_id)
        if error.startswith(CHECK_FAILED_ERROR):
            # The check has its own alert; its run fails because of it.
            continue
        error = error or event.message or "no reason was recorded; the worker may have been killed"
        where = f" in {step}" if step else ""
        body = f"```\n{error[:600]}\n```\n\n{notifier.run_link(record.run_id)}{where}"
        alerts.append(Alert(failure_cause(run.job_name, error), f"error: run of {run.job_name} failed", body))
    return Findings(alerts=alerts, position=Position(failures=records[-1].storage_id if records else after))


def _first_error(instance: DagsterInstance, run_id: str) -> tuple[str, str]:
    """Step and message of the first failure of a run, without the errors that Dagster wraps around it."""
    for record in instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_FAILURE, limit=1).records:
        event = record.event_log_entry.dagster_event
        error = event.step_failure_data.error if event is not None else None
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            return record.event_log_entry.step_key or "", error.message.strip()
    return "", ""


def read_freshness(instance: DagsterInstance, notifier: Notifier, assets: Iterable[AssetKey]) -> Findings:
    """Assets that are overdue by their freshness policy, and those that are not."""
    findings = Findings()
    for key, record in instance.get_freshness_state_records(list(assets)).items():
        asset = key.to_user_string()
        cause = f"freshness of {asset}"
        if record.freshness_state.value == "FAIL":
            body = f"Not updated within the limit of its freshness policy. {notifier.asset_link(asset)}"
            findings.alerts.append(Alert(cause, f"error: {asset} is overdue", body))
        elif record.freshness_state.value == "PASS":
            findings.ended.append(cause)
    return findings


def sweep(
    instance: DagsterInstance,
    notifier: Notifier,
    position: Position,
    watched: Sequence[AssetKey],
    *,
    now: float,
    limit: int = EVENTS,
) -> tuple[Position, str]:
    """Record new findings, then send what is due; return the new cursor and a summary.

    At most `limit` check evaluations and as many failed runs are read; the next call continues.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError, DatabaseUnavailableError
        If the findings cannot be recorded: the cursor must then not move.
    """
    checks = read_checks(instance, notifier, position.checks, now=now, limit=limit)
    failures = read_failures(instance, notifier, position.failures, now=now, limit=limit)
    freshness = read_freshness(instance, notifier, watched)
    notifier.end([*checks.ended, *freshness.ended])
    alerts = [*checks.alerts, *failures.alerts, *freshness.alerts]
    notifier.record(alerts)
    delivery = notifier.deliver()
    sentence = f"{len(alerts)} alerts seen, {delivery.sent} sent, {delivery.waiting} waiting"
    if delivery.failures:
        sentence += f" ({'; '.join(delivery.failures)})"
    return Position(checks=checks.position.checks, failures=failures.position.failures), sentence


def _watched(context: SensorEvaluationContext) -> Iterator[AssetKey]:
    """Assets with a freshness policy."""
    definition = context.repository_def
    if definition is None:
        return
    for key in sorted(definition.asset_graph.get_all_asset_keys()):
        if definition.asset_graph.get(key).freshness_policy is not None:
            yield key


def build_alerting() -> SensorDefinition:
    """The sensor."""

    @sensor(
        name="alerting",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Notifies operators of failed checks, failed runs and overdue assets, once per cause.",
    )
    def alerting(context: SensorEvaluationContext, notifier: ResourceParam[Notifier]) -> SkipReason:
        position = Position(**json.loads(context.cursor or "{}"))
        try:
            reached, sentence = sweep(context.instance, notifier, position, list(_watched(context)), now=time.time())
        except (sa.exc.SQLAlchemyError, DatabaseUnavailableError, DatabaseNotConfiguredError) as error:
            return SkipReason(f"alerts cannot be recorded, and will be read again later: {error}")
        context.update_cursor(json.dumps(asdict(reached)))
        return SkipReason(sentence)

    return alerting
