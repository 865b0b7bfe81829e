"""How other commands find the running platform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from platform_state import ADDRESSES, state

from broker_assets.database.engine import watched
from broker_assets.local import platform
from broker_assets.local.platform import NotRunningError
from broker_assets.local.supervisor import end_platform
from broker_assets.monitoring import state_file
from broker_assets.settings import DatabaseSettings, KafkaSettings, NoticeSettings, Settings


def test_what_is_written_is_read(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert state_file.read_state(settings) is None
    state_file.write_state(settings, state())
    assert state_file.read_state(settings) == state()
    assert state_file.state_path(settings).stat().st_mode & 0o077 == 0
    assert platform.addresses(settings) == ADDRESSES
    connected = platform.connected(settings)
    assert connected.database.url is not None
    assert connected.database.url.get_secret_value() == ADDRESSES.database_url
    assert connected.kafka.bootstrap_servers == "127.0.0.1:9092"


def test_the_state_of_a_killed_platform_is_not_believed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    state_file.write_state(settings, state(pid_offset=-1000.0))
    assert state_file.running(settings) is None
    with pytest.raises(NotRunningError, match="is not running: start it with `broker-assets up`"):
        platform.addresses(settings)
    assert end_platform(settings) is False


def test_named_servers_need_no_platform(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(url="postgresql+psycopg://db/broker", dagster_url="postgresql+psycopg2://db/dagster"),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers="kafka:9092"),
    )
    found = platform.addresses(settings)
    assert found.database_url == "postgresql+psycopg://db/broker"
    assert found.bootstrap_servers == "kafka:9092"
    # Dagster connects by itself: that the network is down is noticed within a minute there, too.
    assert found.environment()["DAGSTER_PG_URL"] == watched("postgresql+psycopg2://db/dagster")


def streams(**kafka: Any) -> list[Any]:
    return [{"topic": "alerts", "survey": "rubin", "framing": "confluent", "kafka": kafka}]


def test_streams_that_name_their_kafka_need_none_of_ours(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(url="postgresql+psycopg://db/broker", dagster_url="postgresql+psycopg2://db/dagster"),  # type: ignore[arg-type]
        streams=streams(bootstrap_servers="usdf:9094"),
    )
    assert not settings.needs_embedded_kafka
    found = platform.addresses(settings)
    assert found.bootstrap_servers == ""
    assert "BROKER_KAFKA__BOOTSTRAP_SERVERS" not in found.environment()
    connected = platform.connected(settings)
    assert connected.location(connected.streams[0]).cluster.bootstrap_servers == "usdf:9094"
    noticing = settings.model_copy(update={"notices": NoticeSettings(topic="igwn.gwalert")})
    assert noticing.needs_embedded_kafka
    with pytest.raises(NotRunningError):
        platform.addresses(noticing)


def test_streams_without_a_kafka_get_that_of_the_platform(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, streams=streams(group="nearby"))
    assert settings.needs_embedded_kafka
    state_file.write_state(settings, state())
    connected = platform.connected(settings)
    assert connected.location(connected.streams[0]).cluster.bootstrap_servers == "127.0.0.1:9092"
