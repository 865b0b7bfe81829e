"""Starts drain runs where the ends of the streams are ahead of the positions in the database.

A tick examines every stream, requests a run for each set of Kafka partitions that has messages waiting and no run, and
records where the streams end. It keeps no state between ticks except the versions that it has recorded: positions are
in the ledger, runs in Dagster. An unavailable broker or database gives a skipped tick with a message, not an exception.

Locks in the database, not this sensor, ensure that two runs never write the same partitions; the logic here only avoids
starting runs unnecessarily.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dagster import (
    AssetObservation,
    DagsterInstance,
    DefaultSensorStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from broker_assets.accounting import ledger
from broker_assets.assets.alerts.streams import ACTIVE_RUNS, DRAIN_TAG, drain_config, drain_tag, stream_key
from broker_assets.automation import RECEPTION
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.kafka import Kafka
from broker_assets.sensors.run_history import RunHistory, run_history
from broker_assets.settings import StreamSettings
from broker_assets.stream.canary import SCHEMA
from broker_assets.stream.messages import SourceError, StreamEnds

INTERVAL_SECONDS = 5
"""The interval of Dagster's daemon loop; smaller values have no effect."""

BUDGET_SECONDS = 2.0
"""Time limit for the answer of a broker in one tick."""

OBSERVATION_SECONDS = 60.0
"""Minimum interval between records of a stream that grows continuously; events are kept for weeks."""


def partition_sets(partitions: Sequence[int], partitions_per_run: int) -> list[tuple[int, ...]]:
    """Divide the partitions of a topic into sets that are each read by one run.

    The sets depend only on the topic and not on its lag: a set is the identity that distinguishes runs.

    Examples
    --------
    >>> partition_sets([0, 1, 2, 3, 4], 2)
    [(0, 1), (2, 3), (4,)]
    """
    ordered = sorted(partitions)
    return [tuple(ordered[i : i + partitions_per_run]) for i in range(0, len(ordered), partitions_per_run)]


@dataclass(frozen=True)
class StreamState:
    """State of one stream in a tick."""

    stream: StreamSettings
    positions: dict[int, int]
    ends: StreamEnds | None
    trouble: str | None = None

    @property
    def lag(self) -> dict[int, int]:
        """Messages waiting, per partition."""
        return self.ends.lag(self.positions) if self.ends is not None else {}

    def version(self) -> str:
        """Data version of the stream: a hash of the end offsets of its partitions."""
        ends = sorted(self.ends.ends.items()) if self.ends is not None else []
        return hashlib.sha256(json.dumps([self.stream.name, ends]).encode()).hexdigest()[:16]


def look(kafka: Kafka, database: Database, streams: Sequence[StreamSettings]) -> list[StreamState]:
    """Read positions and ends of every stream, all clusters in parallel: an unavailable one does not delay the others.

    Raises
    ------
    DatabaseUnavailableError, psycopg.Error
        If the positions cannot be read.
    """
    with database.transaction(connect_timeout=BUDGET_SECONDS) as connection:
        positions = {stream.name: ledger.positions(connection, stream.name) for stream in streams}

    def ask(stream: StreamSettings) -> StreamState:
        reached = positions[stream.name]
        try:
            ends = kafka.ends(stream.name, reached, timeout=BUDGET_SECONDS)
        except SourceError as error:
            return StreamState(stream, reached, None, f"{stream.name}: {error}")
        return StreamState(stream, reached, ends)

    with ThreadPoolExecutor(max_workers=max(len(streams), 1)) as pool:
        return list(pool.map(ask, streams))


def look_at_canary(kafka: Kafka, database: Database, canary: StreamSettings) -> list[StreamState]:
    """The same for the canary, whose tables do not exist before the first one is sent; its failures stop no stream."""
    try:
        return look(kafka, database.in_schema(SCHEMA), [canary])
    except DATABASE_AWAY:
        return []


class Runs:
    """Drain runs of each set of partitions, according to Dagster and to the ledger."""

    def __init__(self, instance: DagsterInstance, database: Database) -> None:
        self._instance = instance
        self._database = database

    def active(self) -> set[str]:
        """Return the values of the drain tag of all runs that have not ended."""
        records = self._instance.get_run_records(RunsFilter(statuses=ACTIVE_RUNS))
        return {record.dagster_run.tags[DRAIN_TAG] for record in records if DRAIN_TAG in record.dagster_run.tags}

    def history(self, tag: str) -> RunHistory:
        """Return how the last runs of a set ended."""
        return run_history(self._instance, RunsFilter(tags={DRAIN_TAG: tag}), self._with_batches)

    def _with_batches(self, run_ids: Sequence[str]) -> set[str]:
        with self._database.transaction(connect_timeout=BUDGET_SECONDS) as connection:
            return ledger.runs_with_batches(connection, run_ids)


def requests(states: Iterable[StreamState], runs: Runs, *, now: float) -> Iterator[RunRequest | str]:
    """Yield a run request for each set with waiting messages and no run; a message where one is held back.

    The run key contains the positions and the previous run: a tick that is evaluated twice requests the same run, and a
    run that ended without progress is followed by another one, after a pause.
    """
    active = runs.active()
    for state in states:
        lag = state.lag
        for partitions in partition_sets(list(lag), state.stream.partitions_per_run):
            waiting = sum(lag[partition] for partition in partitions)
            tag = drain_tag(state.stream.name, partitions)
            if not waiting or tag in active:
                continue
            history = runs.history(tag)
            left = history.pause(now)
            if left > 0:
                yield (
                    f"{tag}: {waiting} messages waiting; {history.failures} consecutive runs failed and stored "
                    f"nothing, next run in {left:.0f} s"
                )
                continue
            positions = ",".join(str(state.positions.get(partition, -1)) for partition in partitions)
            yield RunRequest(
                run_key=f"{tag}@{positions}/{history.last}",
                run_config=drain_config(state.stream.name, partitions),
                tags={DRAIN_TAG: tag, "broker/topic": state.stream.name, "broker/lag": str(waiting), **RECEPTION},
            )


def observations(
    states: Iterable[StreamState], cursor: Mapping[str, tuple[str, float]], *, now: float
) -> Iterator[tuple[AssetObservation, str]]:
    """Yield an observation of each stream whose ends have moved, at most every `OBSERVATION_SECONDS`."""
    for state in states:
        if state.ends is None:
            continue
        version = state.version()
        known, seen = cursor.get(state.stream.name, ("", 0.0))
        if version == known or now - seen < OBSERVATION_SECONDS:
            continue
        lag = state.lag
        observation = AssetObservation(
            asset_key=stream_key(state.stream.name),
            description=f"{sum(lag.values())} messages wait",
            metadata={
                "lag": sum(lag.values()),
                "messages": sum(state.ends.ends.values()),
                "partitions": len(state.ends.ends),
                "end offsets": {str(partition): end for partition, end in sorted(state.ends.ends.items())},
                "lag by partition": {str(partition): waiting for partition, waiting in lag.items()},
            },
            tags={"dagster/data_version": version},
        )
        yield observation, version


def build_kafka_lag(
    streams: Sequence[StreamSettings], drain: JobDefinition, canary: StreamSettings | None = None
) -> SensorDefinition:
    """The sensor for these streams and for the canary, which has no asset; it starts this job."""

    @sensor(
        name="kafka_lag",
        job=drain,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a drain run for each set of Kafka partitions with messages waiting.",
    )
    def kafka_lag(
        context: SensorEvaluationContext, kafka: ResourceParam[Kafka], database: ResourceParam[Database]
    ) -> SensorResult | SkipReason:
        now = time.time()
        cursor: dict[str, tuple[str, float]] = {
            topic: (version, seen) for topic, (version, seen) in json.loads(context.cursor or "{}").items()
        }
        try:
            states = look(kafka, database, streams)
            asked = list(requests(states, Runs(context.instance, database), now=now))
            birds = look_at_canary(kafka, database, canary) if canary is not None else []
            asked += requests(birds, Runs(context.instance, database.in_schema(SCHEMA)), now=now)
        except DATABASE_AWAY as error:
            return SkipReason(f"the positions of the streams cannot be read: {error}")
        seen = list(observations(states, cursor, now=now))
        for observation, version in seen:
            cursor[observation.asset_key.path[-1]] = (version, now)
        notes = [state.trouble for state in [*states, *birds] if state.trouble] + [
            note for note in asked if isinstance(note, str)
        ]
        for note in notes:
            context.log.warning(note)
        run_requests = [request for request in asked if isinstance(request, RunRequest)]
        return SensorResult(
            run_requests=run_requests,
            asset_events=[observation for observation, _ in seen],
            cursor=json.dumps(cursor),
            skip_reason=None if run_requests else SkipReason("; ".join(notes) or "no stream has messages waiting"),
        )

    return kafka_lag
