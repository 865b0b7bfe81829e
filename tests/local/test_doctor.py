"""What `broker-assets doctor` finds on a machine."""

from __future__ import annotations

import shutil
import socket
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from broker_assets.local.doctor import Finding, examine, ready
from broker_assets.local.processes import LocalPlatformError
from broker_assets.local.readiness import check_space
from broker_assets.settings import ServerSettings, Settings


def streams(**kafka: Any) -> list[Any]:
    return [{"topic": "alerts", "survey": "rubin", "framing": "confluent", "kafka": kafka}]


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 10**8))
    with pytest.raises(LocalPlatformError, match=r"nearly full: 0.1 GB free, 2 GB needed.*BROKER_HOME"):
        check_space(tmp_path)
    finding = next(finding for finding in examine(Settings(home=tmp_path)) if finding.subject == "Disk")
    assert finding.verdict == "missing"


def test_doctor_finds_this_machine_fit(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        free = ServerSettings(dagster_port=one.getsockname()[1], api_port=other.getsockname()[1])
    tmp_path.chmod(0o711)
    findings = {finding.subject: finding for finding in examine(Settings(home=tmp_path, server=free))}
    for subject in ("Python", "PostgreSQL", "Disk", "Memory", "Port of Dagster", "Port of the API"):
        assert findings[subject].verdict != "missing", findings[subject]


def test_python_that_keeps_nothing_compiled_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    finding = next(finding for finding in examine(Settings(home=tmp_path)) if finding.subject == "Python")
    assert finding.verdict == "weaker"
    assert "Unset PYTHONDONTWRITEBYTECODE" in finding.remedy


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
