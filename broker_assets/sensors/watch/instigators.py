"""Sensors and schedules that fail or were stopped: Dagster raises no event for either."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import Any

from dagster import DagsterInstance

from broker_assets.monitoring.alerts import TROUBLE, Alert, Cause, OpenAlert
from broker_assets.sensors.watch.findings import Findings, Links, summary

TICKS = 4
"""Number of newest ticks that are read of each sensor or schedule; the newest may be in progress."""
FAILING = 2
"""Consecutive ticks that fail before a sensor raises an alert. Schedules tick rarely and raise one at once."""
FAILING_SECONDS = 60.0
"""For how long they must have failed: sensors that tick every 5 s fail several times while a server is restarted."""
TICKS_FAILING = 60
"""Number of newest ticks that are read of a sensor that fails, to see since when."""


def read_instigators(
    instance: DagsterInstance, links: Links, running: Collection[str], lasting: Sequence[OpenAlert], *, now: float
) -> Findings:
    """Sensors and schedules whose last ticks failed, and those that were stopped.

    Parameters
    ----------
    instance, links
        The instance whose ticks are read, and addresses of its pages.
    running : collection of str
        Names of those that run unless an operator stops them; others are ignored.
    lasting : sequence of OpenAlert
        Alerts that have not ended.
    now : float
        Unix time.
    """
    found = Findings()
    known = {alert.cause for alert in lasting}
    states = {state.instigator_name: state for state in instance.all_instigator_state()}
    for name in sorted(running & states.keys()):
        state = states[name]
        cause = Cause("sensor", name)
        kind = state.instigator_type.value.lower().replace("_", " ")
        kind = "schedule" if kind == "schedule" else "sensor"
        origin = state.origin.repository_origin
        link = links.instigator(kind, name, origin.repository_name, origin.code_location_origin.location_name)
        if state.status.value == "STOPPED":
            step = f"start the {kind} on its page, unless it is meant to be stopped"
            what = f"the {kind} is stopped: nothing that it starts will run"
            found.alerts.append(Alert(cause, what, "warning", what, step, link))
            continue
        ticks = _ended(instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=TICKS))
        error = _failing(ticks, 1 if kind == "schedule" else FAILING)
        if error is not None and kind == "sensor" and cause not in known:
            ticks = _ended(instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=TICKS_FAILING))
            first = list(takewhile(_is_failure, ticks))[-1:]
            if first and now - first[0].timestamp < FAILING_SECONDS:
                continue
        if error is not None:
            step = "read the error of its last tick on its page; the next tick that succeeds ends this alert"
            found.alerts.append(Alert(cause, f"the {kind} fails: {summary(error)}", "error", error, step, link))
        elif ticks:
            found.ended[cause] = f"the {kind} works again"
    for alert in lasting:
        if alert.kind == "sensor" and alert.asset not in running:
            found.ended[alert.cause] = "it is no longer defined"
    return found


def _ended(ticks: Sequence[Any]) -> list[Any]:
    return [tick for tick in ticks if tick.status.value != "STARTED"]


def _failing(ticks: Sequence[Any], number: int) -> str | None:
    """Return the newest error's message if the newest ticks all failed, or were skipped for external reasons."""
    newest = ticks[:number]
    if len(newest) < number or not all(map(_is_failure, newest)):
        return None
    error = newest[0].error
    if error is None and newest[0].skip_reason:
        return str(newest[0].skip_reason).removeprefix(TROUBLE)
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "no reason is recorded"


def _is_failure(tick: Any) -> bool:
    return tick.status.value == "FAILURE" or (tick.skip_reason or "").startswith(TROUBLE)
