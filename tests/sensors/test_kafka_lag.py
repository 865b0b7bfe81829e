"""When drain runs are asked for, and when not."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence

import pytest
import sqlalchemy as sa
from dagster import (
    AssetObservation,
    DagsterInstance,
    DagsterRunStatus,
    JobDefinition,
    SensorResult,
    SkipReason,
    build_sensor_context,
    job,
    op,
)

from broker_assets.accounting import ledger
from broker_assets.assets.alerts.streams import DRAIN_OP, DRAIN_TAG, drain_config
from broker_assets.database.engine import transaction
from broker_assets.database.tables import stream_offset
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.sensors.kafka_lag import Runs, build_kafka_lag, partition_sets
from broker_assets.settings import StreamSettings
from broker_assets.stream.messages import SourceUnavailableError, StreamEnds

pytestmark = pytest.mark.database

STREAMS = [
    StreamSettings(topic="rubin-alerts", survey="rubin", framing="confluent", partitions_per_run=2),
    StreamSettings(topic="ztf-alerts", survey="ztf", framing="container"),
]


class KnownEnds(Kafka):
    """A broker whose topics end where the test says; topics that are not named are away."""

    def __init__(self, ends: Mapping[str, Sequence[int]]) -> None:
        super().__init__([])
        self.topics = dict(ends)

    def ends(self, name: str, positions: Mapping[int, int], *, timeout: float = 2.0) -> StreamEnds:
        if name not in self.topics:
            raise SourceUnavailableError(f"Kafka does not answer for topic {name!r}")
        ends = dict(enumerate(self.topics[name]))
        return StreamEnds(name, ends, dict.fromkeys(ends, 0))


@op(name=DRAIN_OP, config_schema={"topic": str, "partitions": [int]})
def drain() -> None:
    pass


@job
def drain_job() -> None:
    drain()


class Ticks:
    """The sensor, its cursor and its instance."""

    def __init__(self, instance: DagsterInstance, database: Database, ends: Mapping[str, Sequence[int]]) -> None:
        self.instance = instance
        self.database = database
        self.kafka = KnownEnds(ends)
        self.sensor = build_kafka_lag(STREAMS, drain_job)
        self.cursor: str | None = None

    def tick(self) -> SensorResult | SkipReason:
        context = build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"kafka": self.kafka, "database": self.database},
        )
        result = self.sensor(context)
        assert isinstance(result, SensorResult | SkipReason)
        if isinstance(result, SensorResult):
            self.cursor = result.cursor
        return result

    def asked(self) -> dict[str, str | None]:
        """Run key by drain tag of what one tick asks for."""
        result = self.tick()
        assert isinstance(result, SensorResult)
        return {request.tags[DRAIN_TAG]: request.run_key for request in result.run_requests or []}

    def observed(self) -> dict[str, AssetObservation]:
        result = self.tick()
        assert isinstance(result, SensorResult)
        return {e.asset_key.path[-1]: e for e in result.asset_events if isinstance(e, AssetObservation)}

    def run(self, tag: str, status: DagsterRunStatus) -> str:
        """A run of this set in this state."""
        job_def: JobDefinition = drain_job
        config = drain_config("rubin-alerts", (0, 1))
        run = self.instance.create_run_for_job(job_def, tags={DRAIN_TAG: tag}, status=status, run_config=config)
        return run.run_id

    def commit_batch(self, run_id: str) -> None:
        """What a run leaves in the ledger when it has committed a batch."""
        with transaction(self.database.url) as connection:
            now = datetime.datetime.now(datetime.UTC)
            ledger.open_batch(
                connection, topic="rubin-alerts", kind="stream", code_version="1", started_at=now, run_id=run_id
            )

    def commit(self, topic: str, positions: Sequence[int]) -> None:
        rows = [{"topic": topic, "partition": p, "next_offset": o} for p, o in enumerate(positions)]
        with self.database.engine.begin() as connection:
            connection.execute(sa.delete(stream_offset).where(stream_offset.c.topic == topic))
            connection.execute(sa.insert(stream_offset), rows)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def ticks(instance: DagsterInstance, database_url: str) -> Ticks:
    return Ticks(instance, Database(database_url), {"rubin-alerts": [10, 0, 0, 5], "ztf-alerts": [0]})


def test_one_run_per_set_with_lag(ticks: Ticks) -> None:
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    assert [(r.tags[DRAIN_TAG], r.tags["broker/lag"]) for r in result.run_requests or []] == [
        ("rubin-alerts:0-1", "10"),
        ("rubin-alerts:2-3", "5"),
    ]
    assert [r.run_config["ops"][DRAIN_OP]["config"] for r in result.run_requests or []] == [
        {"topic": "rubin-alerts", "partitions": [0, 1]},
        {"topic": "rubin-alerts", "partitions": [2, 3]},
    ]


def test_no_run_without_lag(ticks: Ticks) -> None:
    ticks.commit("rubin-alerts", [10, 0, 0, 5])
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    assert not result.run_requests
    assert "no stream has messages waiting" in str(result.skip_reason)


@pytest.mark.parametrize(
    "status",
    [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING],
)
def test_no_run_beside_an_active_one(ticks: Ticks, status: DagsterRunStatus) -> None:
    ticks.run("rubin-alerts:0-1", status)
    assert list(ticks.asked()) == ["rubin-alerts:2-3"]


def test_same_tick_twice_asks_for_the_same_run(ticks: Ticks) -> None:
    """A daemon that dies between asking and remembering asks again; the run key makes it one run."""
    assert ticks.asked() == ticks.asked()


def test_progress_makes_a_new_key(ticks: Ticks) -> None:
    before = ticks.asked()["rubin-alerts:0-1"]
    ticks.commit("rubin-alerts", [3, 0])
    assert ticks.asked()["rubin-alerts:0-1"] != before


def test_run_that_ended_without_progress_is_followed_by_another(ticks: Ticks) -> None:
    before = ticks.asked()["rubin-alerts:0-1"]
    ticks.run("rubin-alerts:0-1", DagsterRunStatus.SUCCESS)
    assert ticks.asked()["rubin-alerts:0-1"] != before


def test_failed_runs_are_followed_after_a_pause(ticks: Ticks) -> None:
    ticks.run("rubin-alerts:0-1", DagsterRunStatus.FAILURE)
    ticks.run("rubin-alerts:0-1", DagsterRunStatus.FAILURE)
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    assert [request.tags[DRAIN_TAG] for request in result.run_requests or []] == ["rubin-alerts:2-3"]


def test_killed_runs_with_progress_are_followed_at_once(ticks: Ticks) -> None:
    """Four kills in a minute do not stop a healthy stream; a run that stored nothing before them counts no more."""
    ticks.run("rubin-alerts:0-1", DagsterRunStatus.FAILURE)
    for _ in range(4):
        ticks.commit_batch(ticks.run("rubin-alerts:0-1", DagsterRunStatus.FAILURE))
    assert "rubin-alerts:0-1" in ticks.asked()
    ticks.run("rubin-alerts:0-1", DagsterRunStatus.FAILURE)
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    assert "rubin-alerts:0-1" not in {request.tags[DRAIN_TAG] for request in result.run_requests or []}
    history = Runs(ticks.instance, ticks.database).history("rubin-alerts:0-1")
    assert history.failures == 1


def test_ends_are_observed_when_they_move(ticks: Ticks) -> None:
    observed = ticks.observed()
    assert set(observed) == {"rubin-alerts", "ztf-alerts"}
    assert observed["rubin-alerts"].metadata["lag"].value == 15
    version = observed["rubin-alerts"].tags["dagster/data_version"]
    assert ticks.observed() == {}, "nothing moved"
    ticks.kafka.topics["rubin-alerts"] = [11, 0, 0, 5]
    assert ticks.observed() == {}, "not more often than once a minute"
    ticks.cursor = json.dumps({topic: [version, 0.0] for topic in ("rubin-alerts",)})
    assert ticks.observed()["rubin-alerts"].tags["dagster/data_version"] != version


def test_cursor_stays_small(ticks: Ticks) -> None:
    for end in range(50):
        ticks.kafka.topics["rubin-alerts"] = [end]
        ticks.tick()
    assert len(ticks.cursor or "") < 200


def test_stream_that_is_away_does_not_hold_back_the_others(ticks: Ticks) -> None:
    del ticks.kafka.topics["ztf-alerts"]
    assert set(ticks.asked()) == {"rubin-alerts:0-1", "rubin-alerts:2-3"}


def test_brokers_away_is_a_sentence(ticks: Ticks) -> None:
    ticks.kafka.topics = {}
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    assert "does not answer for topic 'rubin-alerts'" in str(result.skip_reason)


@pytest.mark.parametrize("url", [None, "postgresql+psycopg://nobody@127.0.0.1:1/none"])
def test_database_away_is_a_sentence(instance: DagsterInstance, url: str | None) -> None:
    result = Ticks(instance, Database(url), {"rubin-alerts": [1]}).tick()
    assert isinstance(result, SkipReason)
    assert "cannot be read" in str(result.skip_message)


def test_sets_depend_on_the_topic_only() -> None:
    assert partition_sets(range(5), 8) == [(0, 1, 2, 3, 4)]
    assert partition_sets([], 8) == []


def test_runs_by_default() -> None:
    sensor = build_kafka_lag(STREAMS, drain_job)
    assert (sensor.default_status.value, sensor.minimum_interval_seconds) == ("RUNNING", 5)
