"""Telemetry as a resource: what it is made of is read again when, and only when, a file has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from telemetry_arrivals import Site, make_site

from broker_assets.resources.telemetry import Telemetry, TelemetryNotConfiguredError
from broker_assets.settings import Settings, TelemetrySettings


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "plans").mkdir()
    (tmp_path / "requests.csv").write_text("_id,unique_id,scaling_factor\n1,7,30\n")
    return make_site(tmp_path, planning=tmp_path / "plans", requests=tmp_path / "requests.csv")


def test_inputs_are_read_once(site: Site) -> None:
    telemetry = site.telemetry
    assert telemetry.inputs() is telemetry.inputs()
    assert telemetry.inputs().configuration.version == "v0.0.1"


@pytest.mark.parametrize("changed", ["configuration/VERSION.TXT", "requests.csv", "plans/another.json"])
def test_inputs_are_read_again_when_a_file_changes(site: Site, changed: str) -> None:
    telemetry = site.telemetry
    before = telemetry.inputs()
    path = site.folder / changed
    path.write_text("_id,unique_id,scaling_factor\n1,7,30\n2,8,60\n" if changed.endswith("csv") else "v0.0.2\n")
    os.utime(path, ns=(1, 1))
    assert telemetry.inputs() is not before
    assert telemetry.inputs() is telemetry.inputs()


def test_hidden_files_are_no_change(site: Site) -> None:
    telemetry = site.telemetry
    before = telemetry.inputs()
    (site.folder / "configuration/.git").mkdir()
    (site.folder / "configuration/.git/index").write_text("")
    assert telemetry.inputs() is before


def test_kernels_that_cannot_be_used_count_as_none(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    (site.folder / "kernels/mk").mkdir(parents=True)
    (site.folder / "kernels/mk/solo_ANC_soc-flown-mk_V001_20231101_001.tm").write_text("KPL/MK\n")
    settings = site.settings.telemetry.model_copy(update={"kernels": site.folder / "kernels"})
    assert Telemetry(settings, site.folder / "home").inputs().kernels is None
    assert "names no kernels" in caplog.text


def test_without_settings_it_says_what_is_missing(tmp_path: Path) -> None:
    telemetry = Telemetry.of(Settings(home=tmp_path, telemetry=TelemetrySettings(incoming=[str(tmp_path)])))
    assert not telemetry.configured
    assert not telemetry.watched
    with pytest.raises(TelemetryNotConfiguredError, match="BROKER_TELEMETRY__DATABASES, BROKER_TELEMETRY__CONFIG"):
        telemetry.inputs()


def test_the_store_is_in_the_folder_of_telemetry(site: Site) -> None:
    telemetry = site.telemetry
    with telemetry.store() as store:
        assert store.kinds() == []
    assert (site.folder / "home/telemetry/packets/index.sqlite").is_file()
