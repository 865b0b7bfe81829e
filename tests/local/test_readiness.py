"""What is made on a Kafka before the platform starts, and on whose."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from broker_assets.local.processes import LocalPlatformError
from broker_assets.local.readiness import answers_http, check_port, ensure_topics
from broker_assets.settings import KafkaSettings, Settings

pytestmark = pytest.mark.kafka


def stream(name: str, **kafka: Any) -> Any:
    topic = f"ready-{os.getpid()}-{name}"
    return {"name": name, "topic": topic, "survey": "ztf", "framing": "container", "kafka": kafka}


def test_topics_are_made_on_our_kafka_only(kafka: str, tmp_path: Path) -> None:
    """A stream that names another cluster is published by others, who may be away: nothing is asked of them."""
    streams = [
        stream("ours"),
        stream("also-ours", bootstrap_servers=kafka),
        stream("theirs", bootstrap_servers="127.0.0.1:1"),
    ]
    settings = Settings(home=tmp_path, kafka=KafkaSettings(bootstrap_servers=kafka), streams=streams)
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    topics = {one.name: one.topic for one in settings.streams}
    try:
        ensure_topics(settings, kafka)
        assert topics.values() & admin.list_topics(timeout=20).topics.keys() == {topics["ours"], topics["also-ours"]}
    finally:
        for future in admin.delete_topics([topics["ours"], topics["also-ours"]]).values():
            future.result(30)


def test_missing_credentials_are_named(kafka: str, tmp_path: Path) -> None:
    gone = {"password_file": str(tmp_path / "gone"), "username": "me", "sasl_mechanism": "PLAIN"}
    streams = [stream("ours", security_protocol="SASL_PLAINTEXT", **gone)]
    settings = Settings(home=tmp_path, kafka=KafkaSettings(bootstrap_servers=kafka), streams=streams)
    with pytest.raises(LocalPlatformError, match="gone cannot be read: No such file"):
        ensure_topics(settings, kafka)


def test_a_busy_port_is_named_with_its_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            LocalPlatformError, match=rf"Port {port} .*Dagster.*BROKER_SERVER__DAGSTER_PORT={port + 100}"
        ):
            check_port("127.0.0.1", port, "Dagster's web pages", "dagster_port")
    check_port("127.0.0.1", port, "Dagster's web pages", "dagster_port")


def test_nobody_answers_on_a_free_port() -> None:
    assert answers_http("http://127.0.0.1:9/")() is False
