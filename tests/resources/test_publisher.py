"""Targets of the settings, and what deliveries are given besides the files."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import PublicationTarget, Settings, TelemetrySettings


def publisher(folder: Path, telemetry: TelemetrySettings | None = None, *targets: PublicationTarget) -> Publisher:
    settings = Settings(home=folder, telemetry=telemetry or TelemetrySettings())
    settings.publication.targets.extend(targets)
    return Publisher.of(settings, Telemetry.of(settings))


def test_archives_and_mirrors(tmp_path: Path) -> None:
    soar, copy = PublicationTarget(name="soar", url="/soar"), PublicationTarget(name="copy", url="/copy", mirror=True)
    made = publisher(tmp_path, None, soar, copy)
    assert (made.archives, made.mirrors) == ([soar], [copy])
    assert made.folder.is_relative_to(tmp_path)
    assert repr(made) == "Publisher(soar, copy)"
    assert repr(publisher(tmp_path)) == "Publisher(no targets)"
    assert made.conflicts(soar) is None


def test_without_requests_and_kernels_nothing_is_said(tmp_path: Path) -> None:
    made = publisher(tmp_path)
    assert made.reason() is None
    assert made.refresh() is None
    assert made.update_requests() is None
    missing = publisher(tmp_path, TelemetrySettings(requests=tmp_path / "missing.csv"))
    assert missing.reason() is None


def test_kernels_that_cannot_be_read_leave_files_as_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "kernels").mkdir()
    with caplog.at_level(logging.WARNING):
        assert publisher(tmp_path, TelemetrySettings(kernels=tmp_path / "kernels")).refresh() is None
    assert "original ephemeris" in caplog.text


def test_a_target_without_its_blacklist_has_no_rules(tmp_path: Path) -> None:
    target = PublicationTarget(name="soar", url="/soar")
    made = publisher(tmp_path, None, target)
    assert made.rules(target) is not None
    made.settings.blacklist = tmp_path / "missing.txt"
    with pytest.raises(OSError, match=r"missing\.txt"):
        made.rules(target)
