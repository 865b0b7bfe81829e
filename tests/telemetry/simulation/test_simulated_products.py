"""Products of a simulated mission: what was simulated is found in them again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from typer.testing import CliRunner

from broker_assets.commands.telemetry.application import app
from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.inputs.elut import calibration_setup_at, lookup_table_at
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.products.levels.ancillary import positions
from broker_assets.telemetry.simulation import Fault, Mission, write_kernels, write_mission
from broker_assets.telemetry.simulation.calibration import LINES
from broker_assets.telemetry.simulation.configuration import gains, offsets
from broker_assets.telemetry.simulation.sun import Sun


def one(products: Path, pattern: str) -> Any:
    """The data of the only file of that name."""
    (path,) = products.rglob(pattern)
    with fits.open(path) as hdus:
        return {"header": hdus[0].header, "data": hdus["DATA"].data.copy(), "control": hdus["CONTROL"].data.copy()}


def test_every_kind_of_packet_becomes_a_product(products: Path) -> None:
    """On both days, at level L1; days of UTC are those of the on-board clock."""
    stems = {
        *(f"ql-{name}" for name in ("lightcurve", "background", "spectra", "variance", "flareflag")),
        *("ql-tmstatusflarelist", "hk-mini", "hk-maxi", "cal-energy", "events-1-33", "conn-test-2"),
        *("tc-verify-1", "tc-verify-7", "diagnostics-3", "sci-aspect-burst"),
        *(f"sci-xray-{name}" for name in ("rpd", "cpd", "scpd", "vis", "spec")),
    }
    for day in ("11", "12"):
        found = {
            path.name.split("_")[2].removeprefix("stix-") for path in (products / f"L1/2024/05/{day}").rglob("*.fits")
        }
        assert found == stems
    assert sorted(path.name for path in (products / "L1/2024/05").iterdir()) == ["11", "12"]


def test_the_end_level(products: Path) -> None:
    """Each day has its ancillary file and its picture."""
    for day in ("11", "12"):
        assert len(list((products / f"ANC/2024/05/{day}").rglob("*asp-ephemeris*.fits"))) == 1
        assert len(list((products / f"LL03/2024/05/{day}").rglob("*ql-lightcurve*.svg"))) == 1


def test_light_curve(mission: Mission, products: Path) -> None:
    """A whole day of bins; the flare and the attenuator are where they were simulated."""
    found = one(products, "solo_L1_stix-ql-lightcurve_20240511_*.fits")
    data = found["data"]
    assert len(data) == 21600
    sun = Sun(4, mission.flares)
    midnight = 86400 * (mission.flares[0].start // 86400)
    flare = max((flare for flare in mission.flares if flare.start < midnight + 86400), key=lambda f: f.size)
    bin_of_peak = int(flare.peak - midnight) // 4
    quiet = data["counts"][:, 1].astype(float)
    assert quiet[bin_of_peak - 10 : bin_of_peak + 10].mean() > 10 * np.median(quiet)
    simulated = sum(end - begin for begin, end in sun.attenuated if begin < midnight + 86400)
    assert simulated >= 60
    assert abs((data["rcr"] > 0).sum() * 4 - simulated) <= 12


def test_keywords(mission: Mission, products: Path) -> None:
    """Ephemeris and planning are known; the request says why it was made."""
    header = one(products, "solo_L1_stix-sci-xray-cpd_20240511*.fits")["header"]
    assert "SPICE_ER" not in header
    assert 0.29 < header["DSUN_OBS"] / 1.495978707e11 < 0.96
    assert header["OBS_MODE"] == "STIX_ANALYSIS;STIX_BASIC"
    assert header["SOOPTYPE"] == "RS1"
    request = next(request for request in mission.science if request.structure_id == 21)
    assert request.identifier == int(header["SCI_RID"])


def test_pixel_data_agree_with_the_spectrogram(products: Path) -> None:
    """Counts of all pixels and those of the spectrogram are of the same flare."""
    pixels = one(products, "solo_L1_stix-sci-xray-cpd_20240511*.fits")["data"]
    summed = one(products, "solo_L1_stix-sci-xray-scpd_20240511*.fits")["data"]
    assert pixels["counts"].shape == (24, 30, 12, 8)
    assert summed["counts"].shape == (24, 30, 4, 8)
    a, b = pixels["counts"].sum(axis=(1, 2)), summed["counts"].sum(axis=(1, 2))
    bright = a > 10_000
    assert bright.sum() > 10
    assert abs(a[bright] / b[bright] - 1).max() < 0.05
    assert one(products, "solo_L1_stix-sci-xray-vis_20240511*.fits")["data"]["real"].min() < 0
    spectrogram = one(products, "solo_L1_stix-sci-xray-spec_20240511*.fits")["data"]
    assert spectrogram["counts"].shape == (300, 32)
    assert spectrogram["rcr"].max() == 1


def test_calibration_lines(mission: Mission, products: Path) -> None:
    """The line at 81 keV stands in each pixel where its gain and offset put it."""
    counts = one(products, "solo_L1_stix-cal-energy_20240511_*.fits")["data"]["counts"][0]
    assert counts.shape == (32, 12, 1024)
    expected = (offsets() + LINES[-1][0] / gains()) / 4
    channel = np.arange(1024)
    near = np.abs(channel - expected[..., None]) < 12
    peak = np.where(near, counts, 0).argmax(axis=2)
    assert np.abs(peak + 0.5 - expected).max() < 2.5
    configuration = InstrumentConfiguration(mission.configuration)
    table = lookup_table_at(configuration, np.datetime64("2024-05-11"))
    assert np.abs((table.edges[..., 0] - offsets()) * gains() - table.energies[0]).max() < 0.06
    assert calibration_setup_at(configuration, np.datetime64("2024-05-11")).most_correction == 1.4


def test_kernels(mission: Mission, tmp_path: Path) -> None:
    """Clock, orbit and attitude cover the mission; a later clock kernel moves the times."""
    kernels = Kernels.of_folder(mission.kernels)
    ticks = np.array([(768700800 + 3600 * hour) << 16 for hour in range(0, 48, 6)])
    utc = kernels.clock.utc(ticks)
    nominal = np.datetime64("2000-01-01") + (ticks >> 16).astype("timedelta64[s]")
    assert np.abs((utc - nominal) / np.timedelta64(1, "us")).max() < 1e6
    where = positions(kernels, ticks)
    assert np.isfinite(where.attitude).all()
    assert np.abs(where.attitude[:, 1:]).max() < 0.01
    later = write_kernels(
        tmp_path, start=mission.start, end=mission.start, flown=mission.start, seed=4, version=2, clock_error=0.5
    )
    moved = Kernels.of_folder(later).clock.utc(ticks) - utc
    assert np.abs(moved / np.timedelta64(1, "us") - 5e5).max() < 1e3


def test_faults_cost_only_what_they_must(mission: Mission, products: Path, tmp_path: Path) -> None:
    """The incomplete request is missing, everything else is there; the command says what was wrong."""
    faulty = write_mission(
        tmp_path / "mission", start=mission.start, days=1, seed=4, faults=tuple(Fault), shuffled=True
    )
    result = CliRunner().invoke(app, ["process", *faulty.process_options, "-f", str(tmp_path / "fits"), "-e", "L1"])
    assert result.exit_code == 1
    assert "sequence is incomplete: 1 of 24 packets are missing" in result.output
    whole = {path.name for path in (products / "L1/2024/05/11").rglob("*.fits")}
    found = {path.name for path in (tmp_path / "fits/L1/2024/05/11").rglob("*.fits")}
    assert {name.split("_")[2] for name in whole - found} == {"stix-sci-xray-cpd"}
    reports = one(tmp_path / "fits", "solo_L1_stix-hk-maxi_20240511_*.fits")["data"]
    assert len(reports) == len(one(products, "solo_L1_stix-hk-maxi_20240511_*.fits")["data"]) - 1


def test_command(tmp_path: Path) -> None:
    """`telemetry simulate` says how to process what it wrote, and that works."""
    out = tmp_path / "a mission"
    result = CliRunner().invoke(app, ["simulate", str(out), "--start", "2024-05-11", "--seed", "4", "--damaged"])
    assert result.exit_code == 0, result.output
    assert "1 days from 2024-05-11" in result.output
    assert "fault: lost-packet" in result.output
    line = next(line for line in result.output.splitlines() if "broker-assets telemetry process" in line)
    arguments = shlex.split(line)[2:]
    processed = CliRunner().invoke(app, [*arguments, "-e", "LB"])
    assert "files written" in processed.output
    assert list((out / "products/LB").rglob("*.fits"))
    again = CliRunner().invoke(app, ["simulate", str(out)])
    assert again.exit_code == 2
    assert "has a mission already" in again.output
