"""Where the programs of Apache Kafka come from."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from kafka_settings import settings

from broker_assets.local import jars
from broker_assets.local.kafka import ApacheKafka, embedded
from broker_assets.local.processes import LocalPlatformError


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
def test_kafka_home_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(LocalPlatformError, match=r"contains no kafka_2"):
        jars.kafka_jars()
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-4.3.1.jar").touch()
    assert jars.kafka_jars() == tmp_path / "libs"
    broker, _ = embedded(settings(tmp_path / "home"))
    assert isinstance(broker, ApacheKafka)


def test_without_maven_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    assert not jars.jars_are_at_hand()
    with pytest.raises(LocalPlatformError, match=r"Maven \(mvn\) is missing"):
        jars.kafka_jars()


def test_a_failing_maven_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mvn"
    program.write_text("#!/bin/sh\necho '[ERROR] no such artifact'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    with pytest.raises(LocalPlatformError, match="no such artifact"):
        jars.kafka_jars()
    assert list((tmp_path / "cache" / "broker_assets").iterdir()) == []


@pytest.mark.parametrize("trap", ["link", "open", "file"])
def test_a_folder_of_somebody_else_in_the_temporary_folder_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    """Programs in it would be run."""
    (tmp_path / "no-folder").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-folder"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"broker_assets-{os.geteuid()}"
    if trap == "link":
        (tmp_path / "theirs").mkdir()
        folder.symlink_to(tmp_path / "theirs")
    elif trap == "open":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        folder.touch()
    with pytest.raises(LocalPlatformError, match="another user"):
        jars.cache_folder()
    folder.unlink() if trap != "open" else folder.rmdir()
    assert jars.cache_folder().stat().st_mode & 0o777 == 0o700
