"""How other commands find the running platform, and what is said before anything starts."""

from __future__ import annotations

import os
import shutil
import socket
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from broker_assets.local import platform
from broker_assets.local.doctor import Finding, examine, ready
from broker_assets.local.platform import NotRunningError
from broker_assets.local.processes import LocalPlatformError
from broker_assets.local.readiness import answers_http, check_port, check_space
from broker_assets.local.supervisor import end_platform
from broker_assets.monitoring import state_file
from broker_assets.monitoring.state_file import Addresses, PlatformState, ProcessIdentity, ServiceState
from broker_assets.settings import DatabaseSettings, KafkaSettings, NoticeSettings, ServerSettings, Settings

ADDRESSES = Addresses(
    home="/state",
    database_url="postgresql+psycopg://postgres@/broker?host=/state",
    dagster_url="postgresql+psycopg2://postgres@/dagster?host=/state",
    bootstrap_servers="127.0.0.1:9092",
    broker="Apache Kafka",
    dagster_home="/state/dagster",
    webserver_url="http://127.0.0.1:3000",
    api_url="http://127.0.0.1:8000",
    code_server_host="127.0.0.1",
    code_server_port=4000,
)


def state(pid_offset: float = 0.0) -> PlatformState:
    me = ProcessIdentity.of(os.getpid())
    assert me is not None
    service = ServiceState("daemon", "running", 1, 2.0, 0, "/state/logs/daemon.log")
    return PlatformState(ProcessIdentity(me.pid, me.created + pid_offset), 1.5, ADDRESSES, [service])


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


@pytest.mark.parametrize("text", ["", "{", '{"supervisor": 1}', "[]"])
def test_a_damaged_state_file_is_none(tmp_path: Path, text: str) -> None:
    settings = Settings(home=tmp_path)
    state_file.state_path(settings).write_text(text)
    assert state_file.read_state(settings) is None


def test_named_servers_need_no_platform(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(url="postgresql+psycopg://db/broker", dagster_url="postgresql+psycopg2://db/dagster"),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers="kafka:9092"),
    )
    found = platform.addresses(settings)
    assert found.database_url == "postgresql+psycopg://db/broker"
    assert found.bootstrap_servers == "kafka:9092"
    assert found.environment()["DAGSTER_PG_URL"] == "postgresql+psycopg2://db/dagster"


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


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 10**8))
    with pytest.raises(LocalPlatformError, match=r"nearly full: 0.1 GB free, 2 GB needed.*BROKER_HOME"):
        check_space(tmp_path)
    finding = next(finding for finding in examine(Settings(home=tmp_path)) if finding.subject == "Disk")
    assert finding.verdict == "missing"


def test_nobody_answers_on_a_free_port() -> None:
    assert answers_http("http://127.0.0.1:9/")() is False


def test_doctor_finds_this_machine_fit(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        free = ServerSettings(dagster_port=one.getsockname()[1], api_port=other.getsockname()[1])
    tmp_path.chmod(0o711)
    findings = {finding.subject: finding for finding in examine(Settings(home=tmp_path, server=free))}
    for subject in ("Python", "PostgreSQL", "Disk", "Memory", "Port of Dagster", "Port of the API"):
        assert findings[subject].verdict != "missing", findings[subject]


def test_doctor_looks_at_the_cluster_of_each_stream(tmp_path: Path) -> None:
    guarded = {
        "bootstrap_servers": "usdf:9094",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "username": "hunter1",
        "password_file": str(tmp_path / "password"),
        "ca_file": str(tmp_path / "ca.pem"),
    }
    settings = Settings(home=tmp_path, streams=streams(**guarded))

    def finding() -> Finding:
        findings = {finding.subject: finding for finding in examine(settings)}
        assert "Java" not in findings, "no stream needs the embedded broker"
        return findings["Stream alerts"]

    assert finding().verdict == "missing"
    assert str(tmp_path / "password") in finding().remedy
    assert str(tmp_path / "ca.pem") in finding().remedy
    for name in ("password", "ca.pem"):
        (tmp_path / name).write_text("hunter2")
    assert finding() == Finding("Stream alerts", "ok", "alerts on usdf:9094, SASL_SSL, PLAIN")
    settings = Settings(
        home=tmp_path, streams=streams(**guarded | {"security_protocol": "sasl_plaintext", "ca_file": None})
    )
    assert finding().verdict == "weaker"
    assert "SASL_SSL" in finding().remedy
    assert "hunter" not in repr(examine(settings))


def test_doctor_names_a_remedy_for_everything_it_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = ServerSettings(dagster_port=other.getsockname()[1])
        findings = {finding.subject: finding for finding in examine(Settings(home=tmp_path, server=server))}
    assert findings["Java"].verdict == "weaker"
    assert "Tansu" in findings["Java"].remedy
    assert "KAFKA_HOME" in findings["Apache Kafka"].remedy
    assert findings["Port of Dagster"].verdict == "missing"
    assert all(finding.remedy for finding in findings.values() if finding.verdict != "ok")
    assert not ready(list(findings.values()))
    assert ready([Finding("Java", "ok", "17")])
