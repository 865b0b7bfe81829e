"""Look-up tables and set-ups of the energy calibration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from broker_assets.telemetry.inputs.configuration import ConfigurationError, InstrumentConfiguration
from broker_assets.telemetry.inputs.elut import calibration_setup_at, lookup_table_at


@pytest.fixture
def configuration(tmp_path: Path) -> InstrumentConfiguration:
    """A table until 2021 and one without a pixel after; two set-ups whose periods overlap in 2022."""
    (tmp_path / "elut").mkdir()
    header = "offset,gain,Pixel,Detector," + ",".join(f"ADC Edge {i} - {4 + i} keV" for i in range(31))
    rows = [
        f'" {900 + d}","0.109","{p}","{d}",' + ",".join(str(1000 * d + 40 * p + i) for i in range(31))
        for d in range(32)
        for p in range(12)
    ]
    (tmp_path / "elut/first.csv").write_text("\n".join(["title", "more", header, *rows[:5], "", *rows[5:]]) + "\n")
    (tmp_path / "elut/second.csv").write_text("\n".join(["title", "more", header, *rows[:-1]]) + "\n")
    (tmp_path / "elut/elut_index.csv").write_text(
        "index, start_date, end_date, elut_file\n"
        "0, 2020-01-01T00:00:00, 2021-01-01T00:00:00 , first.csv\n"
        "1, 2021-01-01T00:00:00 , none, second.csv"
    )
    (tmp_path / "ecc/one").mkdir(parents=True)
    (tmp_path / "ecc/one/post_ecc.ini").write_text(
        "[DEFAULT]\nMax_Gain_Prime = 1.4\nMin_Gain_Prime = 0.4\nMin_Gain = 0.5\n"
        "Ignore_Max_Gain_Prime_Det_Pix_List = [[30,5], [0,6]]\nIgnore_Min_Gain_Det_Pix_List = []"
    )
    periods = [
        ("one", "2000-01-01T00:00:00.000+00:00", "2023-01-01T00:00:00.000+00:00"),
        ("two", "2022-01-01T00:00:00.000+00:00", "2030-01-01T00:00:00.000+00:00"),
    ]
    (tmp_path / "ecc/ecc_conf_index.json").write_text(
        json.dumps(
            [{"configuration": name, "description": "", "validityPeriodUTC": period} for name, *period in periods]
        )
    )
    return InstrumentConfiguration(tmp_path)


def test_table_of_a_date(configuration: InstrumentConfiguration) -> None:
    """Periods are half-open; empty lines and quoted numbers are read."""
    table = lookup_table_at(configuration, np.datetime64("2020-12-31T23:59:59"))
    assert table.name == "first"
    assert table.edges[31, 11, 30] == 31 * 1000 + 11 * 40 + 30
    assert table.energies.tolist() == list(range(4, 35))


@pytest.mark.parametrize(
    ("utc", "message"),
    [("2019-12-31", "0 look-up tables are valid"), ("2021-01-01", r"second.csv does not give 31 edges of all 384")],
)
def test_no_table(configuration: InstrumentConfiguration, utc: str, message: str) -> None:
    """No table for a date, or one that lacks a pixel, is told."""
    with pytest.raises(ConfigurationError, match=message):
        lookup_table_at(configuration, np.datetime64(utc))


def test_setup_of_a_date(configuration: InstrumentConfiguration) -> None:
    """Limits, and pixels whose detector and number count from 0."""
    setup = calibration_setup_at(configuration, np.datetime64("2021-06-01"))
    assert (setup.name, setup.folder.name) == ("one", "one")
    assert (setup.least_correction, setup.most_correction, setup.least_gain) == (0.4, 1.4, 0.5)
    assert np.argwhere(setup.most_correction_ignored).tolist() == [[0, 6], [30, 5]]
    assert not setup.least_gain_ignored.any()


@pytest.mark.parametrize(("utc", "message"), [("2022-06-01", "2 set-ups are valid"), ("2025-01-01", "post_ecc.ini")])
def test_no_setup(configuration: InstrumentConfiguration, utc: str, message: str) -> None:
    """Two set-ups for a date, or one that is not there, are told."""
    with pytest.raises(ConfigurationError, match=message):
        calibration_setup_at(configuration, np.datetime64(utc))


@pytest.mark.shared
def test_every_flown_table(shared_folder: Path) -> None:
    """All tables of the configuration repository are whole; edges grow with energy in each pixel."""
    configuration = InstrumentConfiguration(shared_folder / "data/stix/stix_conf")
    names = set()
    for month in np.arange("2020-03", "2026-11", dtype="datetime64[M]"):
        table = lookup_table_at(configuration, month)
        names.add(table.name)
        assert (np.diff(table.edges, axis=2) > 0).all()
        assert (table.energies[0], table.energies[-1]) == (4, 150)
    assert len(names) > 10
