"""Streams on two Kafka clusters (two real brokers): the same topic on both, and one of them unavailable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from dagster import DagsterInstance, Definitions, SensorResult, build_sensor_context

from broker_assets.accounting import ledger
from broker_assets.assets.alerts.streams import DRAIN_TAG
from broker_assets.build import build_defs
from broker_assets.database.engine import connect
from broker_assets.monitoring.status import Status, gather
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import (
    ClusterSettings,
    DatabaseSettings,
    DrainSettings,
    KafkaSettings,
    Settings,
    StreamSettings,
)

pytestmark = [pytest.mark.platform, pytest.mark.kafka, pytest.mark.database, pytest.mark.slow]

TOPIC = "alerts"


@dataclass
class TwoClusters:
    """A platform whose streams `near` and `far` have the same topic on different clusters."""

    settings: Settings
    far: Any
    definitions: Definitions
    instance: DagsterInstance

    def send(self, name: str, values: list[bytes]) -> None:
        servers = self.settings.location(self.settings.stream(name)).cluster.bootstrap_servers
        producer = Producer({"bootstrap.servers": servers, "log_level": 0})
        for value in values:
            producer.produce(self.settings.stream(name).topic, value, partition=0)
        assert producer.flush(30) == 0

    def tick(self) -> SensorResult:
        """One tick of the lag sensor."""
        sensor = self.definitions.get_repository_def().get_sensor_def("kafka_lag")
        resources = {key: (self.definitions.resources or {})[key] for key in sensor.required_resource_keys}
        with build_sensor_context(instance=self.instance, resources=resources) as context:
            result = sensor(context)
        assert isinstance(result, SensorResult)
        return result

    def drain(self) -> dict[str, str]:
        """Execute the runs that a tick requests; return the lag of each by its tag."""
        done = {}
        for request in self.tick().run_requests or []:
            job = self.definitions.resolve_job_def("drain")
            assert job.execute_in_process(instance=self.instance, run_config=request.run_config).success
            done[request.tags[DRAIN_TAG]] = request.tags["broker/lag"]
        return done

    def positions(self) -> dict[str, dict[int, int]]:
        assert self.settings.database.url is not None
        with connect(self.settings.database.url.get_secret_value(), autocommit=True) as connection:
            return {name: ledger.positions(connection, name) for name in ("near", "far", TOPIC)}

    def status(self) -> Status:
        return gather(self.settings, Kafka.of(self.settings))


def make_topic(servers: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])[topic].result(30)


@pytest.fixture
def platform(
    kafka: str, topic: str, other_kafka: Any, packets: ModuleType, database_url: str, tmp_path: Path
) -> Iterator[TwoClusters]:
    make_topic(other_kafka.bootstrap_servers, topic)
    read: dict[str, Any] = {
        "topic": topic,
        "survey": "rubin",
        "framing": "confluent",
        "schemas": str(packets.write_schema_folder(tmp_path / "given-schemas")),
    }
    far = ClusterSettings(bootstrap_servers=other_kafka.bootstrap_servers)
    settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(url=database_url),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers=kafka),
        streams=[StreamSettings(name="near", **read), StreamSettings(name="far", kafka=far, **read)],
        drain=DrainSettings(batch_max=50, batch_seconds=0.2, idle_seconds=0.5, budget_seconds=60),
    )
    with DagsterInstance.ephemeral() as instance:
        yield TwoClusters(settings, other_kafka, build_defs(settings=settings), instance)


def test_one_cluster_away_stops_no_stream_of_the_other(platform: TwoClusters, packets: ModuleType) -> None:
    survey = list(packets.Survey(objects=10, visits=2).packets())
    platform.send("near", survey[:5])
    platform.send("far", survey[5:12])
    assert platform.drain() == {"near:0-1": "5", "far:0": "7"}
    assert platform.positions() == {"near": {0: 5}, "far": {0: 7}, TOPIC: {}}
    found = platform.status()
    assert {(stream.topic, stream.lag) for stream in found.streams} == {("near", 0), ("far", 0)}
    assert {one.name: one.state for one in found.services} == {
        "database": "running",
        "Kafka": "running",
        "Kafka of far": "running",
    }
    assert not found.problems

    platform.send("near", survey[12:16])
    platform.far.stop()
    tick = platform.tick()
    assert [request.tags[DRAIN_TAG] for request in tick.run_requests or []] == ["near:0-1"]
    found = platform.status()
    assert {(stream.topic, stream.lag) for stream in found.streams} == {("near", 4), ("far", None)}
    assert {one.name: one.state for one in found.services}["Kafka of far"] == "unavailable"
    assert {one.name: one.state for one in found.services}["Kafka"] == "running"
    assert [problem.split(":")[0] for problem in found.problems] == ["Kafka of far"]
    assert platform.drain() == {"near:0-1": "4"}
    assert platform.positions()["near"] == {0: 9}
    quiet = platform.tick()
    assert not quiet.run_requests
    assert platform.far.bootstrap_servers in str(quiet.skip_reason)

    platform.far.start()
    if not platform.far.durable:  # it has forgotten everything, which is not what is tested here
        return
    platform.send("far", survey[16:])
    assert platform.drain() == {"far:0": "4"}
    assert platform.positions() == {"near": {0: 9}, "far": {0: 11}, TOPIC: {}}
    assert platform.settings.database.url is not None
    with connect(platform.settings.database.url.get_secret_value(), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM diasources").fetchone() == (20,)
        rows = connection.execute("SELECT topic, sum(packets)::int FROM archive_file GROUP BY topic").fetchall()
    assert sorted(rows) == [("far", 11), ("near", 9)]
    for name in ("far", "near"):
        assert list((platform.settings.home / "archive" / name).rglob("*.*"))


def test_a_stream_that_cannot_be_set_up_stops_no_other(platform: TwoClusters, tmp_path: Path) -> None:
    """A property that librdkafka does not know, and a password file that is gone, are found when it connects."""
    gone = ClusterSettings(
        bootstrap_servers="127.0.0.1:1",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        username="me",  # type: ignore[arg-type]
        password_file=tmp_path / "gone",
    )
    near, far = platform.settings.streams
    streams = [
        near,
        far.model_copy(update={"name": "misspelt", "kafka": ClusterSettings(client={"no.such.property": "1"})}),
        far.model_copy(update={"name": "locked", "kafka": gone}),
    ]
    platform.settings = platform.settings.model_copy(update={"streams": streams})
    platform.definitions = build_defs(settings=platform.settings)
    platform.send("near", [b"anything"])
    tick = platform.tick()
    assert [request.tags[DRAIN_TAG] for request in tick.run_requests or []] == ["near:0-1"]
    found = {stream.topic: stream for stream in platform.status().streams}
    assert found["near"].lag == 1
    assert "no.such.property" in found["misspelt"].detail
    assert f"{tmp_path / 'gone'} cannot be read" in found["locked"].detail
