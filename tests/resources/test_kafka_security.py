"""A cluster that asks for TLS and a password: right and wrong credentials, and what is said of the wrong ones."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import loopback_certificate
from confluent_kafka.admin import AdminClient, NewTopic

from broker_assets.local import jars
from broker_assets.local.kafka import ApacheKafka
from broker_assets.local.processes import LocalPlatformError, free_ports
from broker_assets.replay.producer import OutgoingMessage, produce
from broker_assets.resources.kafka import Kafka, stream_ends
from broker_assets.settings import ClusterSettings, Settings
from broker_assets.stream.messages import SourceError, SourceRefusedError

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PASSWORD = "hunter2"
MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


class GuardedKafka(ApacheKafka):
    """Apache Kafka with a second listener, under TLS with users."""

    def __init__(self, folder: Path, libraries: Path, certificate: Path) -> None:
        super().__init__(folder, libraries)
        self._certificate = certificate
        self.guarded_port = free_ports(1)[0]

    @property
    def guarded(self) -> str:
        return f"127.0.0.1:{self.guarded_port}"

    def properties(self) -> dict[str, str]:
        found = super().properties()
        found["listeners"] += f",SASL_SSL://{self.guarded}"
        found["advertised.listeners"] += f",SASL_SSL://{self.guarded}"
        found["listener.security.protocol.map"] += ",SASL_SSL:SASL_SSL"
        users = f'user_nearby="{PASSWORD}"'
        return found | {
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f"{MODULE} required {users};",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._certificate),
        }


@pytest.fixture(scope="module")
def certificate(service_folder: Path) -> Path:
    return loopback_certificate(service_folder / "guarded.pem")


@pytest.fixture(scope="module")
def broker(service_folder: Path, certificate: Path) -> Iterator[GuardedKafka]:
    try:
        libraries = jars.kafka_jars()
    except LocalPlatformError as error:
        if os.environ.get("BROKER_TEST_KAFKA_REQUIRED") == "1":
            pytest.fail(f"Apache Kafka is required here: {error}")
        pytest.skip(f"needs Apache Kafka: {error}")
    made = GuardedKafka(service_folder / "guarded", libraries, certificate)
    try:
        made.start()
        admin = AdminClient({"bootstrap.servers": made.bootstrap_servers, "log_level": 0})
        admin.create_topics([NewTopic("alerts", 1, 1)])["alerts"].result(30)
        yield made
    finally:
        made.stop()


@pytest.fixture
def section(broker: GuardedKafka, certificate: Path, tmp_path: Path) -> dict[str, Any]:
    """The Kafka section of a stream, as a settings file gives it."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return {
        "bootstrap_servers": broker.guarded,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "username": "nearby",
        "password_file": str(tmp_path / "password"),
        "ca_file": str(certificate),
    }


def test_a_stream_is_written_and_read_with_its_credentials(
    broker: GuardedKafka, section: dict[str, Any], tmp_path: Path
) -> None:
    stream = {"name": "guarded", "topic": "alerts", "survey": "rubin", "framing": "confluent"}
    settings = Settings(home=tmp_path, streams=[stream | {"kafka": section | {"group": "nearby-group"}}])  # type: ignore[list-item]
    (place,) = settings.locations()
    report = produce(
        [OutgoingMessage(b"one"), OutgoingMessage(b"two")],
        bootstrap_servers=broker.guarded,
        topic="alerts",
        client=place.cluster.properties(),
    )
    kafka = Kafka.of(settings)
    assert kafka.ends("guarded", {}).ends == {0: report.messages} == {0: 2}
    source = kafka.source("guarded")
    try:
        source.assign({0: 0})
        assert [message.value for message in source.consume(2, 20.0)] == [b"one", b"two"]
        source.mirror({0: 2})
    finally:
        source.close()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    assert [group.group_id for group in admin.list_consumer_groups().result(20).valid] == ["nearby-group"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"password_file": None, "password": "wr0ng-" + PASSWORD}, "(?i)authentication"),
        ({"ca_file": None}, "(?i)certificate"),
        ({"security_protocol": "SASL_PLAINTEXT", "ca_file": None}, "does not answer"),
        ({"ca_file": "/nowhere/ca.pem"}, "ssl.ca.location"),
    ],
)
def test_wrong_credentials_are_named_and_not_shown(
    section: dict[str, Any], changes: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = ClusterSettings(**(section | changes))
    cluster.check()
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceError, match=says) as caught:
        stream_ends(cluster, "alerts", {}, timeout=5)
    assert str(cluster.bootstrap_servers) in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in caplog.text


def test_a_refused_password_is_no_broker_that_is_away(section: dict[str, Any]) -> None:
    wrong = ClusterSettings(**(section | {"password_file": None, "password": "wrong"}))
    with pytest.raises(SourceRefusedError, match=r"(?i)authentication"):
        stream_ends(wrong, "alerts", {}, timeout=5)
