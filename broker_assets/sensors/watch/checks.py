"""Failed checks, from the evaluations in Dagster's log; a check that passes ends its cause.

Dagster's run-failure sensors do not see failed checks that block nothing. The next step comes with the evaluation, as
its metadata `next step` (`broker_assets.checks.definition.Verdict`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from dagster import AssetCheckEvaluation, AssetCheckSeverity, DagsterEventType, DagsterInstance, EventRecordsFilter

from broker_assets.checks.up_to_date import CHECK as UP_TO_DATE
from broker_assets.monitoring.alerts import NEXT_STEP, Alert, Cause, OpenAlert
from broker_assets.sensors.watch.findings import Findings, Links

BLOCKED = "Nothing is built from it until the check passes."


def read_checks(
    instance: DagsterInstance,
    links: Links,
    after: int | None,
    *,
    since: float,
    limit: int,
    blocking: Collection[tuple[str, str]] = (),
) -> tuple[Findings, int | None]:
    """Failed and passed checks since the cursor, by cause; the last evaluation decides.

    Parameters
    ----------
    instance, links
        The instance whose log is read, and addresses of its pages.
    after : int or None
        Cursor: the last event that was read.
    since : float
        Without a cursor, the time of the oldest evaluation that counts, Unix time.
    limit : int
        Maximum number of events that are read.
    blocking : collection of (str, str)
        Asset and name of the checks that stop what is built from their assets.

    Returns
    -------
    Findings, int or None
        With the new cursor.
    """
    records = instance.get_event_records(
        EventRecordsFilter(
            DagsterEventType.ASSET_CHECK_EVALUATION,
            after_cursor=after,
            after_timestamp=since if after is None else None,
        ),
        limit=limit,
        ascending=True,
    )
    latest: dict[Cause, Alert | str] = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        found = event.asset_check_evaluation_data
        if found.check_name == UP_TO_DATE:
            # Automation or an operator's command follows a deployment; what is stale is shown in the status and raises
            # no alert.
            continue
        asset = found.asset_key.to_user_string()
        cause = Cause("check", asset, found.partition or "", found.check_name)
        latest.pop(cause, None)
        if found.passed:
            latest[cause] = f"the check passed ({links.run(record.run_id)})" if record.run_id else "the check passed"
        else:
            is_blocking = found.blocking or (asset, found.check_name) in blocking
            latest[cause] = _alert(cause, found, links, record.storage_id, is_blocking=is_blocking)
    alerts = [item for item in latest.values() if isinstance(item, Alert)]
    ended = {cause: item for cause, item in latest.items() if isinstance(item, str)}
    return Findings(alerts, ended), records[-1].storage_id if records else after


def _alert(cause: Cause, found: AssetCheckEvaluation, links: Links, event: int, *, is_blocking: bool) -> Alert:
    next_step = stated_step(found.metadata)
    description = (found.description or "it did not pass").strip()
    if next_step:
        description = description.removesuffix(next_step).rstrip(" ;:.")
    is_error = found.severity != AssetCheckSeverity.WARN
    body = f"{description}\n\n{BLOCKED}" if is_blocking and is_error else description
    return Alert(
        cause,
        f"{found.check_name}: {description}",
        "error" if is_error else "warning",
        body,
        next_step or "read the description of the check on its page; run the check again after the fix",
        links.check(cause.asset, cause.detail, cause.partition),
        event,
    )


def stated_step(metadata: Mapping[str, object]) -> str:
    """Return the next step that the metadata give; empty if they give none."""
    value = getattr(metadata.get(NEXT_STEP), "value", "")
    return value if isinstance(value, str) else ""


def no_longer_defined(lasting: Iterable[OpenAlert], defined: Collection[tuple[str, str]]) -> dict[Cause, str]:
    """Return the causes whose checks no longer exist: no evaluation would end them."""
    return {
        alert.cause: "the check is no longer defined"
        for alert in lasting
        if alert.kind == "check" and (alert.asset, alert.detail) not in defined
    }
