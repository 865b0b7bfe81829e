"""The state of the platform at one moment: services, lag, batches, quarantine, open alerts, what is stale.

The command line and the status page show the same information; this module decides what counts as wrong. Each part is
examined independently: if Kafka is unavailable, the information in the database is still shown.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import psycopg
from pydantic import BaseModel, Field
from sqlalchemy.exc import ArgumentError

from broker_assets.accounting import balance, ledger
from broker_assets.accounting.quarantine import WAITING, ReasonGroup, counts, groups
from broker_assets.database.engine import DatabaseUnavailableError, connect, describe
from broker_assets.delivery.backlog import Backlog, backlog
from broker_assets.monitoring.alerts import SILENT, OpenAlert, last_canary, last_watch, open_alerts
from broker_assets.monitoring.annotators import WHAT, annotator_streams
from broker_assets.monitoring.state_file import running
from broker_assets.provenance import versions
from broker_assets.provenance.stale_groups import StaleGroup, automation_notes, stale_groups
from broker_assets.settings import Settings, StreamLocation, StreamSettings
from broker_assets.stream.messages import SourceError, SourceUnavailableError, StreamEnds, TopicAbsentError
from broker_assets.stream.topic_ends import ASKED_AT_ONCE, Ends

PATIENCE = 3.0
"""Timeout for database and Kafka, each, seconds."""
NOTICES = "notices"
"""Shown for topics of event notices in place of a survey."""
CHECKED_BATCHES = 200
"""Number of latest batches whose counts are compared; the asset checks examine all."""
SHOWN = 50
"""Maximum number of stale artefacts and quarantine reasons listed; all are counted."""
NAMED = 20
"""Maximum number of alerts that are problems of their own; the list of alerts has all."""


class Service(BaseModel):
    """A part of the platform."""

    name: str
    """Its name."""
    state: str
    """`running`, `starting`, `waiting`, `stopped` or `unavailable`."""
    address: str = ""
    """Its address."""
    pid: int | None = None
    """Its process id, if it runs on this machine."""
    restarts: int = 0
    """Number of restarts."""
    detail: str = ""
    """What is wrong, if something is."""


class Partition(BaseModel):
    """How far a Kafka partition has been read."""

    partition: int
    position: int | None
    """First message that is not in the tables; None if the partition was never read."""
    end: int
    """Offset after the last message."""
    lag: int | None
    """Messages waiting; None if the database did not report how far they were read."""
    moved_at: datetime.datetime | None = None
    """When the position last moved; None if the partition was never read."""


class Stream(BaseModel):
    """How far a topic has been read."""

    topic: str
    """Name of the stream, which is its topic where the settings give no other."""
    survey: str
    lag: int | None
    """Messages waiting in all partitions; None if Kafka or the database did not answer."""
    partitions: list[Partition] = Field(default_factory=list)
    detail: str = ""
    """Why the lag is unknown."""


class Totals(BaseModel):
    """All messages received so far, by outcome."""

    batches: int = 0
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    lost: int = 0
    """Offsets that Kafka deleted before they were read."""


class Night(BaseModel):
    """What was received of a night, from Kafka."""

    night: datetime.date
    stored: int
    duplicate: int
    sources: int
    forced_sources: int


class Status(BaseModel):
    """The complete status."""

    at: datetime.datetime
    healthy: bool = True
    """Whether there are no problems."""
    problems: list[str] = Field(default_factory=list)
    """What does not work."""
    notices: list[str] = Field(default_factory=list)
    """What works but deserves attention."""
    services: list[Service] = Field(default_factory=list)
    streams: list[Stream] = Field(default_factory=list)
    totals: Totals | None = None
    """None if the database did not answer: zeros would look as if it had lost its rows."""
    nights: list[Night] = Field(default_factory=list)
    batches: list[ledger.Batch] = Field(default_factory=list)
    """Newest first."""
    newest_by_topic: list[ledger.Batch] = Field(default_factory=list)
    """The newest of each topic: a quiet one is not among the newest of all."""
    quarantine: list[ReasonGroup] = Field(default_factory=list)
    waiting: int = 0
    """Quarantined messages that wait for a fix or for an operator."""
    stale: list[versions.Stale] = Field(default_factory=list)
    stale_count: int = 0
    stale_groups: list[StaleGroup] = Field(default_factory=list)
    """What is stale by asset and reason."""
    automation: dict[str, str] = Field(default_factory=dict)
    """What automation does about each asset of which something is stale."""
    outbox: Backlog | None = None
    """Messages of filters that wait, and those given up; None if the database is unavailable."""
    alerts: list[OpenAlert] = Field(default_factory=list)
    """Failed checks, runs, backfills and sensors, overdue assets, streams that do not move: errors first."""
    watched_at: datetime.datetime | None = None
    """When the sensor `alerting` last looked for them; None if it never did."""
    canary_at: datetime.datetime | None = None
    """When the last canary came through the stream; None if none ever did."""
    canary_latency: float | None = None
    """Time it took from Kafka to the committed row, seconds."""


class KafkaEnds(Protocol):
    """Interface to the clusters of the streams, implemented by `resources.kafka.Kafka`."""

    def ends(self, name: str, positions: Mapping[int, int], *, timeout: float) -> StreamEnds:
        """Return where every partition of a stream ends; raise `SourceError` where Kafka does not answer."""


def gather(settings: Settings, kafka: KafkaEnds, *, batches: int = 10) -> Status:
    """Examine everything now.

    Parameters
    ----------
    settings : Settings
        With the addresses of database and Kafka; see `broker_assets.local.platform.connected`.
    kafka : KafkaEnds
        The clusters of the settings.
    batches : int
        Number of batches to list.

    Returns
    -------
    Status
        Also returned when nothing answers, with a corresponding problem.
    """
    status = Status(at=datetime.datetime.now(datetime.UTC))
    _local_services(settings, status)
    reached: Reached = {}
    url = settings.database.url
    if url is None:
        _unavailable(status, "database", "", "no database is configured and no platform is running here")
    else:
        _database(url.get_secret_value(), settings, status, reached, batches)
    _streams(settings, kafka, status, reached)
    _notices(settings, kafka, status, reached)
    _annotators(settings, kafka, status)
    _judge(settings, status)
    status.healthy = not status.problems
    return status


def _local_services(settings: Settings, status: Status) -> None:
    state = running(settings)
    if state is None:
        return
    addresses = {"webserver": "", "api": "", "code-server": "", "kafka": "", "postgres": ""}
    if state.addresses is not None:
        found = state.addresses
        addresses |= {
            "webserver": found.webserver_url,
            "api": found.api_url,
            "code-server": f"{found.code_server_host}:{found.code_server_port}",
        }
    for service in state.services:
        status.services.append(
            Service(
                name=service.name,
                state=service.state,
                address=addresses.get(service.name, ""),
                pid=service.pid,
                restarts=service.restarts,
                detail="" if service.state == "running" else f"see {service.log}",
            )
        )
        if service.state in ("stopped", "waiting"):
            status.problems.append(f"{service.name} is {service.state}: see {service.log}")


def _unavailable(status: Status, name: str, address: str, detail: str) -> None:
    _put(status, Service(name=name, state="unavailable", address=address, detail=detail))
    status.problems.append(f"{name}: {detail}")


def _put(status: Status, service: Service) -> None:
    """Record the result of a query to a service; the supervisor may have recorded its process already."""
    for position, known in enumerate(status.services):
        if known.name in (service.name, _LOCAL_NAMES.get(service.name)):
            status.services[position] = service.model_copy(update={"pid": known.pid, "restarts": known.restarts})
            return
    status.services.append(service)


_LOCAL_NAMES = {"database": "postgres", "Kafka": "kafka"}
"""Their names in the supervisor."""


Moved = Mapping[int, tuple[int, datetime.datetime]]
"""Position of each partition, and when it last moved."""
Reached = dict[str, dict[int, tuple[int, datetime.datetime]]]
"""The same of each stream; none is there if the database did not answer."""


def _database(url: str, settings: Settings, status: Status, reached: Reached, batches: int) -> None:
    try:
        address = describe(url)
        with connect(
            url, application="broker-assets status", statement_timeout=PATIENCE, connect_timeout=PATIENCE
        ) as connection:
            _put(status, Service(name="database", state="running", address=address))
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                _ledger(connection, settings, status, reached, batches)
                status.alerts = open_alerts(connection)
                status.watched_at = last_watch(connection)
                if (canary := last_canary(connection)) is not None:
                    status.canary_at, status.canary_latency = canary
    except DatabaseUnavailableError as error:
        _unavailable(status, "database", describe(url), str(error))
    except psycopg.errors.UndefinedTable:
        status.totals = None
        status.problems.append("database: the tables do not exist yet; `broker-assets up` creates them")
    except (psycopg.Error, ArgumentError) as error:
        status.totals = None  # what was read is not all
        _unavailable(status, "database", "", " ".join(str(error).split()))


def _ledger(
    connection: psycopg.Connection[Any],
    settings: Settings,
    status: Status,
    reached: Reached,
    batches: int,
) -> None:
    reached |= {name: {} for name in (*(stream.name for stream in settings.streams), *_notice_topics(settings))}
    for name, partition, position, moved in connection.execute(
        'SELECT topic, "partition", next_offset, updated_at FROM stream_offset WHERE topic = ANY(%s)', (list(reached),)
    ):
        reached[name][partition] = position, moved
    status.batches = ledger.last_batches(connection, limit=batches)
    status.newest_by_topic = ledger.newest_by_topic(connection)
    row = connection.execute(
        "SELECT count(*), coalesce(sum(received), 0), coalesce(sum(stored), 0), coalesce(sum(duplicate), 0),"
        " coalesce(sum(quarantined), 0),"
        " (SELECT coalesce(sum(greatest(next_offset - first_offset, 0)), 0) FROM stream_gap)"
        " FROM ingest_batch WHERE kind = 'stream'"
    ).fetchone()
    if row is not None:
        status.totals = Totals(**dict(zip(Totals.model_fields, map(int, row), strict=True)))
    rows = connection.execute(
        "SELECT night, sum(entry.stored), sum(entry.duplicate), sum(entry.sources), sum(entry.forced_sources)"
        " FROM ingest_batch_night AS entry JOIN ingest_batch AS batch USING (ingestid) WHERE kind <> 'reprocess'"
        " GROUP BY night ORDER BY night DESC LIMIT 7"
    )
    names = tuple(Night.model_fields)
    status.nights = [Night(**dict(zip(names, row, strict=True))) for row in rows]
    status.quarantine = groups(connection, limit=SHOWN)
    waiting = counts(connection).items()
    status.waiting = sum(count for (_, state), count in waiting if state in WAITING)
    status.outbox = backlog(connection)
    stale = versions.stale(connection)
    status.stale, status.stale_count = stale[:SHOWN], len(stale)
    status.stale_groups = stale_groups(stale)
    status.automation = automation_notes(connection)
    newest = status.batches[0].ingestid if status.batches else 0
    for wrong in balance.batches(connection, first=newest - CHECKED_BATCHES):
        status.problems.append(
            f"the ledger does not balance: {wrong.subject}, {wrong.detail}: "
            f"{wrong.expected} expected, {wrong.found} found"
        )


def _streams(settings: Settings, kafka: KafkaEnds, status: Status, reached: Reached) -> None:
    """Ask the clusters of all streams in parallel: an unavailable one hides nothing of the others."""

    positions = {name: {at: position for at, (position, _) in of.items()} for name, of in reached.items()}

    def ask(configured: StreamSettings) -> StreamEnds | SourceError:
        try:
            return kafka.ends(configured.name, positions.get(configured.name, {}), timeout=PATIENCE)
        except SourceError as error:
            return error

    clusters: dict[str | None, list[StreamSettings]] = {}
    for configured in settings.streams:
        clusters.setdefault(settings.location(configured).cluster.bootstrap_servers, []).append(configured)
    with ThreadPoolExecutor(max_workers=max(len(settings.streams), 1)) as pool:
        answers = dict(zip((one.name for one in settings.streams), pool.map(ask, settings.streams), strict=True))
    status.streams = [_stream(one, reached.get(one.name), answers[one.name]) for one in settings.streams]
    for servers, streams in clusters.items():
        ours = servers == settings.kafka.bootstrap_servers
        name = "Kafka" if ours else f"Kafka of {', '.join(stream.name for stream in streams)}"
        found = {stream.name: answers[stream.name] for stream in streams}
        silent = [str(answer) for answer in found.values() if isinstance(answer, SourceUnavailableError)]
        if servers is None:
            _unavailable(status, name, "", "no Kafka is configured and no platform runs here")
            continue
        if len(silent) == len(streams):
            _unavailable(status, name, servers, silent[0])
            continue
        _put(status, Service(name=name, state="running", address=servers))
        status.problems += [
            f"{stream}: {answer}"
            for stream, answer in found.items()
            if isinstance(answer, SourceError) and (not isinstance(answer, TopicAbsentError) or reached.get(stream))
        ]


def _stream(configured: StreamSettings, reached: Moved | None, answer: StreamEnds | SourceError) -> Stream:
    return _answered(Stream(topic=configured.name, survey=configured.survey, lag=None), reached, answer)


def _answered(stream: Stream, reached: Moved | None, answer: StreamEnds | SourceError) -> Stream:
    """A stream with its lag; without positions it is unknown, and not everything that Kafka keeps."""
    if isinstance(answer, StreamEnds) and reached is None:
        stream.partitions = [
            Partition(partition=number, position=None, end=end, lag=None) for number, end in sorted(answer.ends.items())
        ]
        stream.detail = "how far it was read is unknown without the database"
    elif isinstance(answer, StreamEnds) and reached is not None:
        waiting = answer.lag({number: position for number, (position, _) in reached.items()})
        unread = (None, None)
        stream.partitions = [
            Partition(
                partition=number,
                position=reached.get(number, unread)[0],
                end=end,
                lag=waiting[number],
                moved_at=reached.get(number, unread)[1],
            )
            for number, end in sorted(answer.ends.items())
        ]
        stream.lag = sum(waiting.values())
    elif isinstance(answer, SourceError):
        expected = isinstance(answer, TopicAbsentError) and not reached
        stream.detail = "no such topic yet" if expected else str(answer)
    return stream


def _notice_topics(settings: Settings) -> list[str]:
    """Names under which the positions of notices are kept."""
    maps = settings.notice_location()
    return [*([maps.name] if maps is not None else []), *settings.moving_list_locations()]


def _notices(settings: Settings, kafka: KafkaEnds, status: Status, reached: Reached) -> None:
    """The topics of notices, whose broker is not ours: one that is unavailable is not our problem."""
    names = _notice_topics(settings)

    def ask(name: str) -> StreamEnds | SourceError:
        try:
            positions = {number: position for number, (position, _) in reached.get(name, {}).items()}
            return kafka.ends(name, positions, timeout=PATIENCE)
        except SourceError as error:
            return error

    if names:
        with ThreadPoolExecutor(max_workers=min(len(names), ASKED_AT_ONCE)) as pool:
            answers = list(pool.map(ask, names))
        status.streams += [
            _answered(Stream(topic=name, survey=NOTICES, lag=None), reached.get(name), answer)
            for name, answer in zip(names, answers, strict=True)
        ]


def _annotators(settings: Settings, kafka: KafkaEnds, status: Status) -> None:
    """The topics of annotators, whose brokers are often not ours: one that is unavailable is not our problem."""
    url = settings.database.url
    ends: Ends | None = getattr(kafka, "ends_at", None)
    if url is None or ends is None or not _runs(status, "database"):
        return

    def ask(location: StreamLocation, positions: Mapping[int, int]) -> StreamEnds:
        return kafka.ends_at(location, positions, timeout=PATIENCE)  # type: ignore[attr-defined,no-any-return]

    try:
        with connect(
            url.get_secret_value(),
            application="broker-assets status",
            statement_timeout=PATIENCE,
            connect_timeout=PATIENCE,
        ) as connection:
            found, notices = annotator_streams(connection, settings, ask)
    except (psycopg.Error, DatabaseUnavailableError):
        return  # already reported by an earlier part
    status.notices += notices
    status.streams += [
        _answered(Stream(topic=one.name, survey=WHAT, lag=None), one.positions, one.ends) for one in found
    ]


def _runs(status: Status, name: str) -> bool:
    known = (name, _LOCAL_NAMES.get(name))
    return any(service.name in known and service.state == "running" for service in status.services)


def _judge(settings: Settings, status: Status) -> None:
    stalled: set[tuple[str, str]] = set()
    # The position does not move in a quiet hour, either: only the sensor knows since when messages have been waiting.
    is_watched = status.watched_at is not None and status.at - status.watched_at <= SILENT
    seen = {(alert.asset, alert.partition) for alert in status.alerts if alert.kind == "stream"}
    for stream in status.streams:
        for partition in stream.partitions:
            still = status.at - partition.moved_at if partition.moved_at is not None else datetime.timedelta()
            place = (f"alert_stream/{stream.topic}", str(partition.partition))
            agreed = place in seen or not is_watched or stream.survey == WHAT
            if partition.lag and agreed and still > datetime.timedelta(minutes=settings.notifier.stalled_minutes):
                stalled.add(place)
                status.problems.append(
                    f"{stream.topic} has stalled: {partition.lag:,} messages wait in partition {partition.partition}, "
                    f"whose position has not moved for {still.total_seconds() / 60.0:,.0f} minutes"
                )
        if stream.lag is None and stream.detail:
            stalled.add((f"alert_stream/{stream.topic}", ""))
    # What was found just now need not be repeated.
    new = [alert for alert in status.alerts if alert.kind != "stream" or (alert.asset, alert.partition) not in stalled]
    _name(status.problems, [alert for alert in new if alert.severity == "error"])
    _name(status.notices, [alert for alert in new if alert.severity == "warning"])
    for failure in sorted({alert.failure for alert in status.alerts if alert.failure}):
        status.problems.append(f"alerts cannot be sent: {failure}")
    if status.watched_at is not None and status.at - status.watched_at > SILENT:
        status.problems.append(
            f"nobody has looked for failed checks, runs and backfills since {status.watched_at:%Y-%m-%d %H:%M} UTC: "
            "Dagster's daemon, its code server or its sensor `alerting` does not work"
        )
    if status.waiting:
        status.notices.append(
            f"{status.waiting:,} messages wait in quarantine: `broker-assets quarantine list` shows why"
        )
    if status.outbox is not None and status.outbox.failing:
        status.notices.append(
            f"{status.outbox.failing:,} sinks of filters fail, {status.outbox.waiting:,} messages wait: "
            "`broker-assets delivery backlog` shows why"
        )
    if status.totals is not None and status.totals.lost:
        status.notices.append(f"{status.totals.lost:,} messages were deleted by Kafka before they were read")
    if status.stale_count:
        status.notices.append(f"{status.stale_count:,} artefacts are stale: their inputs or code have changed since")


def _name(lines: list[str], alerts: list[OpenAlert]) -> None:
    """Add alerts to the problems or notices."""
    lines += [alert.subject.removeprefix(f"{alert.severity}: ") for alert in alerts[:NAMED]]
    if len(alerts) > NAMED:
        lines.append(f"{len(alerts) - NAMED:,} more alerts: `broker-assets alerts list` shows them")
