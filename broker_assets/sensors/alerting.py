"""Notifies operators of faults and of their end: checks, runs, backfills, sensors, overdue assets, streams.

Dagster's run-failure sensors do not see failed checks that block nothing, and continue when their function raises. This
sensor therefore reads the event log itself, in order, from a cursor: its findings are first recorded in the table
`notification`, then the cursor moves, then what is due is sent. Nothing is lost if any of these steps fails, and the
recorded cause decides whether something is new (`broker_assets.resources.notifier`). The sensor itself is watched by
its heartbeat: `status` and `/health` report when that is old.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import psycopg
import sqlalchemy as sa
from dagster import (
    AssetKey,
    DagsterInstance,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RepositoryDefinition,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.accounting import ledger
from broker_assets.monitoring.alerts import CANARY, WATCHER
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.kafka import Kafka
from broker_assets.resources.notifier import Notifier
from broker_assets.resources.object_store import ObjectStore
from broker_assets.sensors.watch.backfills import read_backfills
from broker_assets.sensors.watch.canary import CanaryLimits, read_canary
from broker_assets.sensors.watch.checks import no_longer_defined, read_checks
from broker_assets.sensors.watch.findings import Findings, Links
from broker_assets.sensors.watch.freshness import read_freshness
from broker_assets.sensors.watch.instigators import read_instigators
from broker_assets.sensors.watch.live_checks import LiveCheck, live_checks, show_changes
from broker_assets.sensors.watch.runs import read_failures, settled
from broker_assets.sensors.watch.streams import KafkaEnds, Limits, Look, read_streams
from broker_assets.settings import CanarySettings, Settings
from broker_assets.stream.canary import SCHEMA, last

EVENTS = 500
"""Maximum number of events read in one tick; the next one continues."""

FIRST_LOOK_SECONDS = 86_400.0
"""How far a sensor without a cursor looks back, instead of through years of solved problems."""

BACKFILL_SECONDS = 30 * 86_400.0
"""Backfills that began longer ago are ignored."""


@dataclass(frozen=True)
class Position:
    """Position in the event log, and what was waiting at the last sweep; small, whatever the size of the log."""

    checks: int | None = None
    """Storage id of the last check evaluation read."""
    failures: int | None = None
    """Storage id of the last run failure read."""
    waiting: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """See `watch.streams.Waiting`."""
    live: Mapping[str, str] = field(default_factory=dict)
    """States of the live checks."""


@dataclass(frozen=True)
class Watched:
    """What the code location defines."""

    overdue: tuple[AssetKey, ...] = ()
    """Assets with a freshness policy."""
    checks: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    """Asset and name of every check, and whether it blocks."""
    running: frozenset[str] = frozenset()
    """Sensors and schedules that run unless an operator stops them."""

    @classmethod
    def of(cls, repository: RepositoryDefinition | None) -> Watched:
        """What a code location defines; empty without one."""
        if repository is None:
            return cls()
        graph = repository.asset_graph
        return cls(
            tuple(key for key in sorted(graph.get_all_asset_keys()) if graph.get(key).freshness_policy is not None),
            {(key.asset_key.to_user_string(), key.name): graph.get(key).blocking for key in graph.asset_check_keys},
            frozenset(
                [one.name for one in repository.sensor_defs if one.default_status == DefaultSensorStatus.RUNNING]
                + [one.name for one in repository.schedule_defs if one.default_status == DefaultScheduleStatus.RUNNING]
            ),
        )


@dataclass(frozen=True)
class Watch:
    """Everything that one sweep needs.

    Parameters
    ----------
    instance, notifier, links
        The instance whose log is read, where findings go, and addresses of Dagster's pages.
    database, kafka
        Positions and ends of the streams; without Kafka they are not examined.
    streams : sequence of str
        Names of the streams, including that of notices.
    limits : Limits
        When waiting becomes an alert.
    live, object_store
        Checks that are evaluated in each sweep, and what they examine besides the database.
    canary : CanarySettings, optional
        Limits of the canary; without it, none is expected.
    """

    instance: DagsterInstance
    notifier: Notifier
    links: Links
    database: Database
    kafka: KafkaEnds | None = None
    streams: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    live: Sequence[LiveCheck] = ()
    object_store: ObjectStore | None = None
    canary: CanarySettings | None = None

    def sweep(self, position: Position, watched: Watched, *, now: float, limit: int = EVENTS) -> tuple[Position, str]:
        """Record new findings, then send what is due; return the new cursor and a summary.

        At most `limit` check evaluations and as many failed runs are read; the next call continues.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError, DatabaseUnavailableError, psycopg.Error
            If the findings cannot be recorded: the cursor must then not move.
        """
        instance, links, notifier = self.instance, self.links, self.notifier
        since = now - FIRST_LOOK_SECONDS
        live: Mapping[str, str] = {}
        if self.object_store is not None:
            live = show_changes(instance, self.database, self.object_store, self.live, position.live)
        blocking = {check for check, blocks in watched.checks.items() if blocks}
        checks, checked = read_checks(instance, links, position.checks, since=since, limit=limit, blocking=blocking)
        failures, failed = read_failures(instance, links, position.failures, since=since, limit=limit)
        found = [checks, failures, read_freshness(instance, links, watched.overdue)]
        found.append(read_backfills(instance, notifier, links, since=now - BACKFILL_SECONDS))
        lasting = notifier.lasting()
        if watched.running:
            found.append(read_instigators(instance, links, watched.running, lasting, now=now))
        if watched.checks:
            found.append(Findings(ended=no_longer_defined(lasting, watched.checks)))
        streams = self._streams(position, now=now)
        found.append(streams.findings)
        if self.canary is not None:
            # Since when a canary has been awaited: initially since the first sweep.
            began = position.waiting.get(CANARY, (0, now))[1]
            streams.waiting[CANARY] = (0, began)
            found.append(self._canary(self.canary, began, now=now))
        together = Findings.together(found)
        # Failures that were fixed before this sweep are not reported.
        over = settled(instance, links, together.alerts)
        alerts = [alert for alert in together.alerts if alert.cause not in over]
        notifier.record(alerts)
        open_causes = {alert.cause for alert in lasting}
        ended = {cause: by for cause, by in together.ended.items() if cause in open_causes}
        notifier.end(ended | settled(instance, links, lasting))
        delivery = notifier.deliver()
        sentence = f"{len(alerts)} alerts seen, {delivery.sent} sent, {delivery.waiting} waiting"
        if delivery.failures:
            sentence += f" ({'; '.join(delivery.failures)})"
        notifier.beat(WATCHER, sentence)
        return Position(checked, failed, streams.waiting, live), sentence

    def _canary(self, canary: CanarySettings, since: float, *, now: float) -> Findings:
        tables = self.database.in_schema(SCHEMA)
        try:
            with tables.transaction() as connection:
                found = last(connection, canary.name)
        except psycopg.errors.UndefinedTable:
            found = None
        if found is not None:
            self.notifier.beat(CANARY, f"{found.latency:.3f}", at=found.at)
        limits = CanaryLimits(canary.latency_seconds, canary.absent_minutes * 60.0)
        return read_canary(canary.name, found, self.links, limits, since=since, now=now)

    def _streams(self, position: Position, *, now: float) -> Look:
        if self.kafka is None:
            return Look()
        with self.database.transaction() as connection:
            reached = {name: ledger.positions(connection, name) for name in self.streams}
        return read_streams(
            self.kafka, reached, self.links, position.waiting, self.limits, self.notifier.lasting(["stream"]), now=now
        )


def build_alerting(settings: Settings) -> SensorDefinition:
    """The sensor."""
    limits = Limits(settings.notifier.stalled_minutes * 60.0, settings.notifier.unreachable_minutes * 60.0)
    # The canary is judged separately: its positions are in a schema of their own.
    others = settings.model_copy(update={"canary": CanarySettings()})
    streams = tuple(location.name for location in others.locations())
    live = live_checks(settings)
    canary = settings.canary if settings.canary.stream is not None else None

    @sensor(
        name="alerting",
        minimum_interval_seconds=settings.notifier.look_seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Notifies operators of what is wrong, once per asset, partition and kind, and when it ends.",
    )
    def alerting(
        context: SensorEvaluationContext,
        notifier: ResourceParam[Notifier],
        database: ResourceParam[Database],
        kafka: ResourceParam[Kafka],
        object_store: ResourceParam[ObjectStore],
    ) -> SkipReason:
        links = Links(settings.server.pages)
        watch = Watch(context.instance, notifier, links, database, kafka, streams, limits, live, object_store, canary)
        position = Position(**json.loads(context.cursor or "{}"))
        try:
            reached, sentence = watch.sweep(position, Watched.of(context.repository_def), now=time.time())
        except (sa.exc.SQLAlchemyError, *DATABASE_AWAY) as error:
            return SkipReason(f"alerts cannot be recorded, and will be read again later: {error}")
        context.update_cursor(json.dumps(asdict(reached)))
        return SkipReason(sentence)

    return alerting
