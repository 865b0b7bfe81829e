"""The embedded brokers, and which of them is chosen."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka_settings import settings
from small_disks import fill, mounted_disk

from broker_assets.local.broker_process import Broker
from broker_assets.local.kafka import ApacheKafka, DockerKafka, Tansu, apache_kafka, embedded
from broker_assets.local.processes import FolderInUseError, LocalPlatformError

QUIET = {"log_level": 0}


def send(servers: str, topic: str, payloads: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": servers, **QUIET})
    for payload in payloads:
        producer.produce(topic, payload, partition=0)
    assert producer.flush(30) == 0


def read(servers: str, topic: str, number: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "x", "enable.auto.commit": False, **QUIET})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(number, timeout=30)
    consumer.close()
    return [message.value() or b"" for message in messages]


def the_real_one(folder: Path) -> Broker:
    """Apache Kafka; skips the test where it cannot be had, but fails where it must be."""
    try:
        return apache_kafka(folder)
    except LocalPlatformError as error:
        if os.environ.get("BROKER_TEST_KAFKA_REQUIRED") == "1":
            raise
        pytest.skip(str(error))


@pytest.mark.kafka
@pytest.mark.slow
def test_a_killed_broker_comes_back_with_everything(tmp_path: Path) -> None:
    broker = the_real_one(tmp_path / "kafka")
    assert broker.durable
    try:
        broker.start()
        address = broker.bootstrap_servers
        admin = AdminClient({"bootstrap.servers": address, **QUIET})
        for future in admin.create_topics([NewTopic("alerts", 1, 1)]).values():
            future.result(30)
        payloads = [b"%d" % number for number in range(500)]
        send(address, "alerts", payloads)
        with pytest.raises(FolderInUseError):
            apache_kafka(tmp_path / "kafka").start()
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        broker.stop()
        broker.start()
        assert broker.bootstrap_servers == address
        assert read(address, "alerts", 500) == payloads
    finally:
        broker.stop()
    assert not broker.running


@pytest.mark.kafka
@pytest.mark.slow
def test_a_full_disk_loses_no_message(tmp_path: Path) -> None:
    """Recovering on a full disk, Kafka deletes what it cannot index: it waits until there is space."""
    payloads = [bytes(1000) + b"%d" % number for number in range(2000)]
    with mounted_disk(tmp_path / "disk", "400m") as disk:
        broker = the_real_one(disk / "kafka")
        try:
            broker.start()
            admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, **QUIET})
            for future in admin.create_topics([NewTopic("alerts", 1, 1)]).values():
                future.result(30)
            send(broker.bootstrap_servers, "alerts", payloads)
            filling = fill(disk)
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGKILL)
            broker.stop()
            with pytest.raises(LocalPlatformError, match="0 MB free, 200 MB are needed"):
                broker.start()
            filling.unlink()
            broker.start()
            assert read(broker.bootstrap_servers, "alerts", len(payloads)) == payloads
        finally:
            broker.stop()


@pytest.mark.kafka
def test_the_small_broker(tmp_path: Path) -> None:
    broker = Tansu(tmp_path)
    assert not broker.durable
    with pytest.raises(LocalPlatformError, match="not been started"):
        _ = broker.bootstrap_servers
    with broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, **QUIET})
        for future in admin.create_topics([NewTopic("alerts", 1, 1)]).values():
            future.result(30)
        send(broker.bootstrap_servers, "alerts", [b"one", b"two"])
        assert read(broker.bootstrap_servers, "alerts", 2) == [b"one", b"two"]
    assert not broker.running


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Java, Maven or Docker on the path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("KAFKA_HOME", raising=False)


@pytest.mark.usefixtures("bare_machine")
def test_without_java_the_small_broker_serves_and_says_why(tmp_path: Path) -> None:
    broker, message = embedded(settings(tmp_path))
    assert isinstance(broker, Tansu)
    assert "Java is missing" in message
    assert "memory only" in message
    assert "doctor" in message


@pytest.mark.usefixtures("bare_machine")
def test_demanded_kafka_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(LocalPlatformError, match=r"no Apache Kafka here: Java is missing; and no Docker"):
        embedded(settings(tmp_path, "kafka"))


def test_the_small_broker_on_demand(tmp_path: Path) -> None:
    broker, message = embedded(settings(tmp_path, "tansu"))
    assert isinstance(broker, Tansu)
    assert "as configured" in message


def test_everything_listens_on_loopback_only(tmp_path: Path) -> None:
    properties = ApacheKafka(tmp_path).properties()
    for name in ("listeners", "advertised.listeners"):
        assert all("//127.0.0.1:" in address for address in properties[name].split(","))
    assert int(properties["message.max.bytes"]) >= 10 * 1024**2 + 4096
    docker = DockerKafka(tmp_path)
    docker.port = 1234
    assert "127.0.0.1:1234:9092" in docker.command()
