"""The state of the platform at one moment: services, lag, batches, quarantine, what is stale, and what is wrong.

The command line and the status page show the same information; this module decides what counts as wrong. Each part is
examined independently: if Kafka is unavailable, the information in the database is still shown.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import psycopg
from pydantic import BaseModel, Field
from sqlalchemy.exc import ArgumentError

from broker_assets.accounting import balance, ledger
from broker_assets.database.engine import DatabaseUnavailableError, connect, describe
from broker_assets.monitoring.state_file import running
from broker_assets.provenance import versions
from broker_assets.settings import Settings, StreamSettings
from broker_assets.stream.messages import SourceError, SourceUnavailableError, StreamEnds, TopicAbsentError

STILL_SECONDS = 900.0
"""A stream with waiting messages and no batch for this long has stalled."""
PATIENCE = 3.0
"""Timeout for database and Kafka, each, seconds."""
CHECKED_BATCHES = 200
"""Number of latest batches whose counts are compared; the asset checks examine all."""
SHOWN = 50
"""Maximum number of stale artefacts and quarantine reasons listed; all are counted."""


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
    lag: int
    """Messages waiting."""


class Stream(BaseModel):
    """How far a topic has been read."""

    topic: str
    """Name of the stream, which is its topic where the settings give no other."""
    survey: str
    lag: int | None
    """Messages waiting in all partitions; None if Kafka did not report it."""
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


class Reason(BaseModel):
    """Messages quarantined for one reason."""

    topic: str
    reason: str
    waiting: int
    """Messages that are `open` or `retried`."""
    oldest: datetime.datetime


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
    totals: Totals = Field(default_factory=Totals)
    nights: list[Night] = Field(default_factory=list)
    batches: list[ledger.Batch] = Field(default_factory=list)
    """Newest first."""
    quarantine: list[Reason] = Field(default_factory=list)
    waiting: int = 0
    """Quarantined messages."""
    stale: list[versions.Stale] = Field(default_factory=list)
    stale_count: int = 0


class KafkaEnds(Protocol):
    """What is asked of the clusters of the streams; `resources.kafka.Kafka` answers it."""

    def ends(self, name: str, positions: Mapping[int, int], *, timeout: float) -> StreamEnds:
        """Where every partition of a stream ends; raises `SourceError` where Kafka does not say."""


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
    positions: dict[str, dict[int, int]] = {}
    url = settings.database.url
    if url is None:
        _unavailable(status, "database", "", "no database is configured and no platform is running here")
    else:
        _database(url.get_secret_value(), settings, status, positions, batches)
    _streams(settings, kafka, status, positions)
    _judge(status)
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


def _database(url: str, settings: Settings, status: Status, positions: dict[str, dict[int, int]], batches: int) -> None:
    try:
        address = describe(url)
        with connect(
            url, application="broker-assets status", statement_timeout=PATIENCE, connect_timeout=PATIENCE
        ) as connection:
            _put(status, Service(name="database", state="running", address=address))
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                _ledger(connection, settings, status, positions, batches)
    except DatabaseUnavailableError as error:
        _unavailable(status, "database", describe(url), str(error))
    except psycopg.errors.UndefinedTable:
        status.problems.append("database: the tables do not exist yet; `broker-assets up` creates them")
    except (psycopg.Error, ArgumentError) as error:
        _unavailable(status, "database", "", " ".join(str(error).split()))


def _ledger(
    connection: psycopg.Connection[Any],
    settings: Settings,
    status: Status,
    positions: dict[str, dict[int, int]],
    batches: int,
) -> None:
    for stream in settings.streams:
        positions[stream.name] = ledger.positions(connection, stream.name)
    status.batches = ledger.last_batches(connection, limit=batches)
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
    rows = connection.execute(
        "SELECT topic, left(regexp_replace(reason, '\\m[0-9]+\\M', '…', 'g'), 160) AS kind, count(*), min(created_at)"
        " FROM quarantine WHERE state IN ('open', 'retried')"
        " GROUP BY topic, kind ORDER BY count(*) DESC, kind LIMIT %s",
        (SHOWN,),
    )
    status.quarantine = [Reason(topic=row[0], reason=row[1], waiting=row[2], oldest=row[3]) for row in rows]
    row = connection.execute("SELECT count(*) FROM quarantine WHERE state IN ('open', 'retried')").fetchone()
    status.waiting = int(row[0]) if row is not None else 0
    stale = versions.stale(connection)
    status.stale, status.stale_count = stale[:SHOWN], len(stale)
    newest = status.batches[0].ingestid if status.batches else 0
    for wrong in balance.batches(connection, first=newest - CHECKED_BATCHES):
        status.problems.append(
            f"the ledger does not balance: {wrong.subject}, {wrong.detail}: "
            f"{wrong.expected} expected, {wrong.found} found"
        )


def _streams(settings: Settings, kafka: KafkaEnds, status: Status, positions: dict[str, dict[int, int]]) -> None:
    """Ask the clusters of all streams in parallel: an unavailable one hides nothing of the others."""

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
    status.streams = [_stream(one, positions.get(one.name, {}), answers[one.name]) for one in settings.streams]
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
            if isinstance(answer, SourceError) and not isinstance(answer, TopicAbsentError)
        ]


def _stream(configured: StreamSettings, reached: dict[int, int], answer: StreamEnds | SourceError) -> Stream:
    stream = Stream(topic=configured.name, survey=configured.survey, lag=None)
    if isinstance(answer, StreamEnds):
        waiting = answer.lag(reached)
        stream.partitions = [
            Partition(partition=number, position=reached.get(number), end=end, lag=waiting[number])
            for number, end in sorted(answer.ends.items())
        ]
        stream.lag = sum(waiting.values())
    else:
        stream.detail = "no such topic yet" if isinstance(answer, TopicAbsentError) else str(answer)
    return stream


def _judge(status: Status) -> None:
    last = {batch.topic: batch.finished_at for batch in reversed(status.batches) if batch.kind == "stream"}
    for stream in status.streams:
        finished = last.get(stream.topic)
        if stream.lag and finished is not None and time.time() - finished.timestamp() > STILL_SECONDS:
            minutes = (time.time() - finished.timestamp()) / 60.0
            status.problems.append(
                f"{stream.topic} has stalled: {stream.lag:,} messages are waiting, "
                f"the last batch is {minutes:,.0f} minutes old"
            )
    if status.waiting:
        status.notices.append(f"{status.waiting:,} messages in quarantine: `broker-assets quarantine list` shows why")
    if status.totals.lost:
        status.notices.append(f"{status.totals.lost:,} messages were deleted by Kafka before they were read")
    if status.stale_count:
        status.notices.append(f"{status.stale_count:,} artefacts are stale: their inputs or code have changed since")
