"""Records which code versions are deployed, when the code location loads, and shows what is stale.

`broker-assets status` and `provenance.versions.stale` compare what exists with the table `code`. The code server
records its versions before it answers, at a reload as at a start (`record_loaded`), and a sensor repeats that: a tick
compares and writes only what differs. Hence nothing must be remembered, and a database that was away, restored or
emptied has the deployed versions again one tick later.

Both report the check `up_to_date` of every asset of which something became stale or is no longer stale.

Only the code server deploys. Run workers, tests and commands load the same definitions and must not.
"""

import hashlib
import json
import logging
import os
import sys
from collections.abc import Collection, Mapping, Sequence

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    DagsterInstance,
    DefaultSensorStatus,
    ResourceParam,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from broker_assets.assets.alerts.streams import ACTIVE_RUNS
from broker_assets.automation import SENSOR, TRIGGER
from broker_assets.checks.up_to_date import evaluations
from broker_assets.dagster_internals import InstigatorStatus, InstigatorType
from broker_assets.provenance import versions
from broker_assets.provenance.stale_groups import StaleGroup, note_automation, stale_groups
from broker_assets.resources.database import DATABASE_AWAY, Database

INTERVAL_SECONDS = 30
CONNECT_SECONDS = 3.0
_log = logging.getLogger(__name__)

SHOWN_ASSETS = 20
"""Names in the reason of a tick, at most."""


def serves_definitions(arguments: Sequence[str]) -> bool:
    """Whether a process with these arguments is a code server.

    Examples
    --------
    >>> serves_definitions(["/usr/bin/dagster", "api", "grpc", "--port", "4000"])
    True
    >>> serves_definitions(["dagster", "api", "execute_run", "{}"])
    False
    """
    return list(arguments[1:3]) == ["api", "grpc"]


def record_loaded(code_versions: Mapping[str, str], automated: Collection[str], database: Database) -> None:
    """Record the versions and show what is stale, if this process is a code server.

    An unavailable database is left to the sensor.
    """
    if not serves_definitions(sys.argv):
        return
    try:
        with database.transaction(connect_timeout=CONNECT_SECONDS) as connection:
            changed = versions.deploy(connection, code_versions)
        _log.info("code versions recorded, new ones of %s", ", ".join(changed) or "no asset")
        if changed and "DAGSTER_HOME" in os.environ:
            with DagsterInstance.get() as instance:
                for evaluation in show_staleness(instance, database, code_versions, automated, {}):
                    instance.report_runless_asset_event(evaluation)
    except DATABASE_AWAY:
        _log.warning("code versions cannot be recorded yet", exc_info=True)


def automation_of(
    instance: DagsterInstance, groups: Collection[StaleGroup], automated: Collection[str]
) -> dict[str, str]:
    """What automation does about each asset of which something is stale, as sentences."""
    assets = {group.asset for group in groups}
    notes = {asset: f"Not automatic: `broker-assets reprocess --stale --asset {asset}`" for asset in assets}
    followed = assets & set(automated)
    if not followed:
        return notes
    # Without a storage for schedules nothing can have been stopped.
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR) if instance.schedule_storage else []
    stopped = any(state.name == SENSOR and state.status == InstigatorStatus.STOPPED for state in states)
    active = instance.get_runs(RunsFilter(statuses=ACTIVE_RUNS, tags=TRIGGER))
    for asset in followed:
        own = [group for group in groups if group.asset == asset]
        runs = sum(AssetKey.from_user_string(asset) in (run.asset_selection or ()) for run in active)
        waiting = sorted({group.reason for group in own if group.reason.endswith(" is stale")})
        if stopped:
            notes[asset] = f"Automation is off: start the sensor `{SENSOR}`"
        elif runs:
            notes[asset] = f"Automation is at work: {runs} run{'s' if runs > 1 else ''} queued or in progress"
        elif len(waiting) == len(own):
            notes[asset] = f"Automation waits: {', '.join(waiting)}"
        else:
            notes[asset] = (
                "Automation requests it at its next tick, unless an input is missing, is being built or failed a "
                f"blocking check, or the last run failed: then `broker-assets reprocess --stale --asset {asset}`"
            )
    return notes


def show_staleness(
    instance: DagsterInstance,
    database: Database,
    assets: Collection[str],
    automated: Collection[str],
    shown: dict[str, str],
) -> list[AssetCheckEvaluation]:
    """The check `up_to_date` of each asset whose verdict differs from the one shown last.

    Parameters
    ----------
    instance : DagsterInstance
    database : Database
    assets : collection of str
        All assets with the check.
    automated : collection of str
        Those with an automation condition.
    shown : dict
        Digest of the verdict shown last, by asset; absent where nothing was stale. Updated.
    """
    with database.transaction() as connection:
        groups = [group for group in stale_groups(versions.stale(connection)) if group.asset in assets]
    notes = automation_of(instance, groups, automated)
    with database.transaction() as connection:
        note_automation(connection, notes)
    digests = {asset: _digest(asset, groups, notes) for asset in notes}
    changed = {asset for asset in digests.keys() | shown.keys() if digests.get(asset) != shown.get(asset)}
    shown.clear()
    shown.update(digests)
    return list(evaluations(changed & set(assets), groups, notes))


def _digest(asset: str, groups: Collection[StaleGroup], notes: Mapping[str, str]) -> str:
    said = [[group.reason, group.count, group.partitions] for group in groups if group.asset == asset]
    return hashlib.sha256(json.dumps([said, notes[asset]]).encode()).hexdigest()[:12]


def build_code_versions(code_versions: Mapping[str, str], automated: Collection[str]) -> SensorDefinition:
    """The sensor; `code_versions` are those of all assets of the code location, `automated` those with a condition."""

    @sensor(
        name="code_versions",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Records the deployed code versions, and shows in the check `up_to_date` what is stale.",
    )
    def deployed(context: SensorEvaluationContext, database: ResourceParam[Database]) -> SensorResult | SkipReason:
        shown: dict[str, str] = json.loads(context.cursor or "{}")
        try:
            with database.transaction() as connection:
                changed = versions.deploy(connection, code_versions)
            found = show_staleness(context.instance, database, code_versions, automated, shown)
        except DATABASE_AWAY as error:
            return SkipReason(f"code versions cannot be recorded, the next tick tries again: {error}")
        reason = _reason(code_versions, changed)
        return SensorResult(asset_events=found, cursor=json.dumps(shown), skip_reason=SkipReason(reason))

    return deployed


def _reason(code_versions: Mapping[str, str], changed: Sequence[str]) -> str:
    if not changed:
        return f"{len(code_versions)} code versions are recorded"
    more = f" and {len(changed) - SHOWN_ASSETS} more" if len(changed) > SHOWN_ASSETS else ""
    return f"recorded new code versions of {', '.join(changed[:SHOWN_ASSETS])}{more}"
