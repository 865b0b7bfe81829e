"""`replay` and `simulate` send to the cluster of the stream that they are given."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner, Result

from broker_assets.cli import app
from broker_assets.settings import load_settings

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: str, other_kafka: Any, topic: str) -> Run:
    """Run the command with two streams on the same topic: `near` on the Kafka of all tests, `far` on another."""
    admin = AdminClient({"bootstrap.servers": other_kafka.bootstrap_servers, "log_level": 0})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    both = {"topic": topic, "survey": "rubin", "framing": "confluent"}
    far = {"name": "far", "kafka": {"bootstrap_servers": other_kafka.bootstrap_servers}}
    for name in [name for name in os.environ if name.startswith("BROKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    (tmp_path / "empty.toml").touch()
    monkeypatch.setenv("BROKER_SETTINGS", str(tmp_path / "empty.toml"))
    monkeypatch.setenv("BROKER_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("BROKER_STREAMS", json.dumps([both | {"name": "near"}, both | far]))
    (tmp_path / "1.confluent.avro").write_bytes(b"\x00\x00\x00\x00\x01payload")

    def call(*arguments: str) -> Result:
        load_settings.cache_clear()
        try:
            return CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})
        finally:
            load_settings.cache_clear()

    return call


def waiting(servers: str, topic: str) -> int:
    """Messages on all partitions of a topic."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", "log_level": 0})
    try:
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=20)[1] for one in partitions)
    finally:
        consumer.close()


def test_messages_go_to_the_cluster_of_the_stream(
    run: Run, tmp_path: Path, kafka: str, other_kafka: Any, topic: str
) -> None:
    packets = ("replay", str(tmp_path), "--quiet", "--framing", "keep", "--topic")
    done = run(*packets, "far")
    assert done.exit_code == 0, done.output
    assert f"to topic {topic} on {other_kafka.bootstrap_servers}" in done.output
    assert (waiting(kafka, topic), waiting(other_kafka.bootstrap_servers, topic)) == (0, 1)
    assert run(*packets, "near").exit_code == 0
    assert (waiting(kafka, topic), waiting(other_kafka.bootstrap_servers, topic)) == (1, 1)
    # An address given by hand wins.
    assert run(*packets, "far", "--bootstrap-servers", kafka).exit_code == 0
    assert (waiting(kafka, topic), waiting(other_kafka.bootstrap_servers, topic)) == (2, 1)
    # A topic of two streams says too little; one of none is on our Kafka.
    ambiguous = run(*packets, topic)
    assert ambiguous.exit_code == 1
    assert f"several streams are on the topic '{topic}'" in ambiguous.output
    assert "(near, far)" in ambiguous.output
    assert run(*packets, f"{topic}-new", "--partitions", "1").exit_code == 0
    assert waiting(kafka, f"{topic}-new") == 1
