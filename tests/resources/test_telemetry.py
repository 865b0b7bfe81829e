"""Telemetry as a resource: what it is made of is read again when, and only when, a file has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from telemetry_arrivals import Site, make_site

from broker_assets.resources.telemetry import Telemetry, TelemetryNotConfiguredError
from broker_assets.settings import Settings, TelemetrySettings
from broker_assets.telemetry.inputs.kernels import KernelError


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


def meta_kernel(site: Site, name: str, *kernels: str) -> None:
    """A flown meta-kernel that names files of the folder."""
    (site.folder / "kernels/mk").mkdir(parents=True, exist_ok=True)
    named = " ".join(f"'../{kernel}'" for kernel in kernels)
    text = f"KPL/MK\n\\begindata\nKERNELS_TO_LOAD = ( {named} )\n\\begintext\n"
    (site.folder / f"kernels/mk/solo_ANC_soc-flown-mk_{name}.tm").write_text(text)


def test_no_meta_kernel_is_no_kernels(site: Site) -> None:
    (site.folder / "kernels").mkdir()
    settings = site.settings.telemetry.model_copy(update={"kernels": site.folder / "kernels"})
    telemetry = Telemetry(settings, site.folder / "home")
    assert telemetry.inputs().kernels is None


def test_kernels_that_are_being_delivered_leave_those_before_in_place(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    settings = site.settings.telemetry.model_copy(update={"kernels": site.folder / "kernels"})
    telemetry = Telemetry(settings, site.folder / "home")
    meta_kernel(site, "V100_20231101_001", "old.tls")
    with pytest.raises(KernelError, match="kernels are missing"):
        telemetry.inputs()
    (site.folder / "kernels/old.tls").write_text("")
    first = telemetry.inputs().kernels
    meta_kernel(site, "V101_20231201_001", "new.tls")
    second = telemetry.inputs().kernels
    assert first is not None
    assert second is not None
    assert (first.names, second.names) == (first.names, first.names)
    assert "is used instead of a newer meta-kernel" in caplog.text
    (site.folder / "kernels/new.tls").write_text("")
    third = telemetry.inputs().kernels
    assert third is not None
    assert third.names != first.names


def test_a_plan_that_cannot_be_read_does_not_hinder_packets(site: Site) -> None:
    (site.folder / "plans/SSTX_observation_timeline_export_M01.json").write_text("{")
    with pytest.raises(ValueError, match="planning file"):
        site.telemetry.inputs()
    assert site.telemetry.packet_inputs().configuration.version == "v0.0.1"


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
