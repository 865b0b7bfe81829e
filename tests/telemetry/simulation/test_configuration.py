"""The configuration of the simulation, as those read it who use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.inputs.elut import DETECTORS, PIXELS
from broker_assets.telemetry.simulation.configuration import VERSION, gains, offsets, write_configuration
from broker_assets.telemetry.simulation.sun import ENERGY_EDGES


def test_it_is_read_with_its_version(tmp_path: Path) -> None:
    folder = write_configuration(tmp_path / "one")
    assert InstrumentConfiguration(folder).version == VERSION
    assert InstrumentConfiguration(write_configuration(tmp_path / "two", version="v9.1.0")).version == "v9.1.0"


def test_edges_on_board_are_those_of_gain_and_offset(tmp_path: Path) -> None:
    write_configuration(tmp_path)
    lines = (tmp_path / "elut/elut_table_open.csv").read_text().splitlines()[3:]
    rows = np.array([[float(value) for value in line.split(",")] for line in lines])
    assert rows.shape == (DETECTORS * PIXELS, 4 + len(ENERGY_EDGES))
    detector, pixel = rows[:, 3].astype(int), rows[:, 2].astype(int)
    energy = (rows[:, 4:] - offsets()[detector, pixel][:, None]) * gains()[detector, pixel][:, None]
    assert np.abs(energy - np.array(ENERGY_EDGES)).max() < gains().max()
    assert (np.diff(rows[:, 4:], axis=1) > 0).all()
