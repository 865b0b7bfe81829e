"""Checks that cannot wait for a run: their verdicts are shown to Dagster when they change.

A drain or ingest run that works through a backlog lasts for minutes, and the checks of telemetry run every hour; what
is put into quarantine in the meantime should be known within a minute. An evaluation without a run makes the page of
the check agree with the alert that follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dagster import AssetKey, DagsterInstance

from broker_assets.assets.alerts.streams import stream_key
from broker_assets.checks import delivery
from broker_assets.checks.alerts.ledger import QUARANTINE_SHARE
from broker_assets.checks.definition import Evidence, Verdict, evidence, judge_stream
from broker_assets.checks.telemetry import verdict_of
from broker_assets.monitoring.telemetry.facts import Look
from broker_assets.monitoring.telemetry.judgements import INCOMING, JUDGEMENTS, Judgement, ask
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import Settings

TELEMETRY = ("failing_files", "bad_packets")
"""Judgements of arriving files that cannot wait."""


@dataclass(frozen=True)
class LiveCheck:
    """A check of an asset without partitions."""

    asset: str
    name: str
    judge: Callable[[Evidence], Verdict]
    counts: bool = False
    """Whether its description contains numbers that grow with every message; these alone are not a change."""

    def state(self, verdict: Verdict) -> str:
        """Return the part of a verdict that is compared with the one before."""
        said = "" if self.counts else verdict.description
        return "passed" if verdict.passed else f"{verdict.severity.value} {said}"


def live_checks(settings: Settings) -> list[LiveCheck]:
    """Return the live checks of streams and of delivery, and of telemetry where it is received."""
    streams = [
        LiveCheck(
            stream_key(stream.name).to_user_string(),
            QUARANTINE_SHARE.name,
            partial(_judge_stream, stream.name),
            counts=True,
        )
        for stream in settings.streams
    ]
    streams += [
        LiveCheck(delivery.ASSET, name, partial(delivery.judged, settings, name), counts=True)
        for name in (delivery.BACKLOG, delivery.DEAD)
    ]
    judgements = [one for one in JUDGEMENTS if one.asset == INCOMING and one.name in TELEMETRY]
    telemetry = [LiveCheck(one.asset, one.name, partial(_judge_telemetry, settings, one)) for one in judgements]
    return streams + (telemetry if settings.telemetry.incoming else [])


def _judge_stream(name: str, found: Evidence) -> Verdict:
    return judge_stream(QUARANTINE_SHARE, found, name)


def _judge_telemetry(settings: Settings, judgement: Judgement, found: Evidence) -> Verdict:
    return verdict_of(ask(judgement, Look(found.driver, settings)))


def show_changes(
    instance: DagsterInstance,
    database: Database,
    object_store: ObjectStore,
    checks: Sequence[LiveCheck],
    before: Mapping[str, str],
) -> dict[str, str]:
    """Evaluate checks, and show Dagster those that changed.

    Parameters
    ----------
    instance, database, object_store
        Where evaluations go, and what the checks examine.
    checks : sequence of LiveCheck
        The checks.
    before : mapping of str to str
        Their states at the previous sweep.

    Returns
    -------
    dict
        Their states, for the next sweep. A check that passes at the first sweep has not changed.
    """
    states = {}
    for check in checks:
        with evidence(database, object_store) as found:
            verdict = check.judge(found)
        key = f"{check.asset}/{check.name}"
        states[key] = check.state(verdict)
        if states[key] != before.get(key, "passed"):
            instance.report_runless_asset_event(verdict.evaluation(AssetKey.from_user_string(check.asset), check.name))
    return states
