"""Levels CAL, ANC and LL01 against the golden files: names, headers, structure, and values where they are true ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spiceypy
from aspect_program import VERSION, aspect_command
from astropy.io import fits as astropy_fits
from energy_calibration_programs import write_programs

from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.ancillary import NOT_CONFIGURED, ancillary_product, positions
from broker_assets.telemetry.products.levels.calibrated_energy import calibration_products
from broker_assets.telemetry.products.levels.derived import derived_file
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem, level0_of_day
from broker_assets.telemetry.products.levels.level1 import level1_of_day
from broker_assets.telemetry.products.levels.levelb import unique_packets
from broker_assets.telemetry.products.levels.lowlatency import answer_all
from broker_assets.telemetry.products.product import Product
from broker_assets.telemetry.products.programs.aspect_solution import AspectSolver
from broker_assets.telemetry.products.programs.energy_calibration import EnergyCalibration
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive

pytestmark = [pytest.mark.shared, pytest.mark.slow]

CAL, HK_MAXI = (21, 6, 41), (3, 25, 2)
RUN_DEPENDENT = {"DATE", "CHECKSUM", "DATASUM", "VERS_SW", "VERS_CFG", "CREATOR", "HISTORY"}

Level1 = Callable[[str, StructureKey], list[Product]]


@pytest.fixture
def level1(shared_folder: Path, flight_inputs: Inputs, tmp_path: Path) -> Level1:
    """Products of level L1 of a telemetry file."""

    def make(name: str, key: StructureKey) -> list[Product]:
        kernels = flight_inputs.kernels
        assert kernels is not None
        with PacketStore(tmp_path / "store") as store:
            path = shared_folder / f"data/stix/tm_xml_built/{name}.PktTmRaw.xml"
            touched = receive(path, store, flight_inputs.databases).touched
            days = sorted(unit.day for unit in touched.level0 if unit.key == key)
            parts = []
            for day in days:
                first = day * clock.TICKS_PER_SECOND
                packets = unique_packets(store.of_days(key, first, first + clock.TICKS_PER_DAY))
                parts += level0_of_day(KINDS[key], packets, flight_inputs, [], day)
        utc = sorted({day for part in parts for day in kernels.clock.utc_day(part.time).tolist()})
        found = (level1_of_day(KINDS[key], parts, kernels, np.datetime64(day)) for day in utc)
        return [product for products in found for product in products]

    return make


def header_differences(ours: Path, golden: Path) -> dict[str, tuple[Any, Any]]:
    """Cards that are not equal, to 1e-9 for numbers."""
    a, b = astropy_fits.getheader(ours), astropy_fits.getheader(golden)
    found = {}
    for key in dict.fromkeys([*b, *a]):
        x, y = a.get(key), b.get(key)
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (x, y))
        if key not in RUN_DEPENDENT and x != y and not (numbers and abs(x - y) <= 1e-9 * abs(y)):
            found[key] = (x, y)
    return found


def table_differences(ours: Path, golden: Path) -> tuple[dict[str, str], dict[str, tuple[Any, Any]]]:
    """Columns whose shape or unit differ, and those whose values do."""
    structure: dict[str, str] = {}
    values: dict[str, tuple[Any, Any]] = {}
    with astropy_fits.open(ours) as a, astropy_fits.open(golden) as b:
        assert [hdu.name for hdu in a] == [hdu.name for hdu in b]
        for mine, other in zip(a[1:], b[1:], strict=True):
            assert mine.columns.names == other.columns.names
            for name in other.columns.names:
                x, y = np.asarray(mine.data[name]), np.asarray(other.data[name])
                units = [(table.columns[name].unit or "").strip() for table in (mine, other)]
                if x.shape != y.shape or units[0] != units[1]:
                    structure[f"{mine.name}.{name}"] = f"{x.shape} {units[0]} for {y.shape} {units[1]}"
                elif x.dtype.kind in "SUb" or y.dtype.kind in "SUb":
                    if (x != y).any():
                        values[f"{mine.name}.{name}"] = (x, y)
                elif not np.allclose(x, y, rtol=1e-6, atol=0, equal_nan=True):
                    values[f"{mine.name}.{name}"] = (x, y)
    return structure, values


def write(product: Product, inputs: Inputs, folder: Path) -> Path:
    """Write a file of level CAL or ANC; it verifies."""
    path, cards, tables = derived_file(product, inputs, 2)
    fits.write(folder / path, cards, tables)
    with astropy_fits.open(folder / path, checksum=True) as hdus:
        hdus.verify("exception")
    return folder / path


def test_calibration(level1: Level1, flight_inputs: Inputs, shared_folder: Path, tmp_path: Path) -> None:
    """One file per spectrum with the golden names; structure equal but for unit of the gain and IDB versions."""
    golden = shared_folder / "golden/stix/products/S1_cal41"
    programs = EnergyCalibration(write_programs(tmp_path / "bin"), seconds=200)
    problems: list[Problem] = []
    ours = [
        write(product, flight_inputs, tmp_path)
        for day in level1("S1_cal41", CAL)
        for product in calibration_products(day, flight_inputs, programs, problems)
    ]
    assert problems == []
    names = {str(path.relative_to(tmp_path)) for path in ours}
    assert names == {str(path.relative_to(golden)) for path in golden.glob("CAL/**/*.fits")}
    for path in ours:
        other = golden / path.relative_to(tmp_path)
        cards = header_differences(path, other)
        longitudes = cards.pop("CRLN_OBS", (0.0, 0.0))
        assert longitudes[0] == pytest.approx(longitudes[1], abs=5e-7)
        assert set(cards) == {"HAEZ_OBS", "OBS_VR", "LIVETIME"}
        assert cards["LIVETIME"] == (8380.0, 83.8)
        structure, values = table_differences(path, other)
        # Its versions are those of its parent; the original leaves the table empty.
        assert {name for name in structure if name.startswith("IDB_VERSIONS")} == {
            "IDB_VERSIONS.version",
            "IDB_VERSIONS.obt_start",
            "IDB_VERSIONS.obt_end",
        }
        rest = {name: text for name, text in structure.items() if not name.startswith("IDB_VERSIONS")}
        assert rest == {"DATA.gain": "(1, 32, 12) keV adu-1 for (1, 32, 12) adu keV-1"}
        # The golden programs were stubs: only what does not come from them can be equal.
        of_programs = {"offset", "goc", "ecc_error", "gain_range_ok", "e_edges_actual"}
        live = {"CONTROL.live_time", "CONTROL.quiet_time", "DATA.live_time"}
        assert set(values) <= live | {f"DATA.{name}" for name in of_programs}
        assert live <= set(values)


def test_ancillary(level1: Level1, flight_inputs: Inputs, shared_folder: Path, tmp_path: Path) -> None:
    """With a solver that answers as the golden one, all but the corrected columns is equal."""
    golden = next((shared_folder / "golden/stix/products/ANC_fakeIDL").glob("ANC/**/*.fits"))
    (housekeeping,) = level1("R_20aaf313", HK_MAXI)
    problems: list[Problem] = []
    solver = AspectSolver(aspect_command(tmp_path), seconds=200)
    product = ancillary_product(housekeeping, flight_inputs, solver, problems)
    assert product is not None
    assert problems == []
    ours = write(product, flight_inputs, tmp_path)
    assert ours.relative_to(tmp_path) == golden.relative_to(shared_folder / "golden/stix/products/ANC_fakeIDL")
    assert set(header_differences(ours, golden)) == {"HAEZ_OBS", "OBS_VR", "CRLN_OBS"}
    assert f"aspect data processed by STX-GSW {VERSION}" in list(astropy_fits.getheader(ours)["HISTORY"])
    structure, values = table_differences(ours, golden)
    assert structure == {}
    # The golden radius is the fake's; its Carrington position is zero.
    assert set(values) == {
        "DATA.spice_disc_size",
        "DATA.solo_loc_carrington_lonlat",
        "DATA.solo_loc_carrington_dist",
    }


def test_ancillary_positions_agree_with_the_header(
    level1: Level1, flight_inputs: Inputs, shared_folder: Path, tmp_path: Path
) -> None:
    """Without a solver: real positions, those of the header in the middle of the day; no solution, and why."""
    (housekeeping,) = level1("R_20aaf313", HK_MAXI)
    product = ancillary_product(housekeeping, flight_inputs, None, [])
    assert product is not None
    path = write(product, flight_inputs, tmp_path)
    header, data = astropy_fits.getheader(path), astropy_fits.getdata(path, "DATA")
    assert (header["DATAMIN"], header["DATAMAX"], header["STX_GSW"]) == ("", "", "")
    assert set(data["sas_error"]) == {NOT_CONFIGURED}
    assert not data["sas_ok"].any()
    assert np.isnan(data["y_srf"]).all()
    middle = [np.mean(data["solo_loc_carrington_lonlat"][:, i].astype(float)) for i in (0, 1)]
    np.testing.assert_allclose(middle, [header["CRLN_OBS"], header["CRLT_OBS"]], atol=1e-4)
    assert np.mean(data["solo_loc_carrington_dist"].astype(float)) == pytest.approx(header["DSUN_OBS"] / 1000, rel=1e-6)
    heeq = data["solo_loc_heeq_zxy"].astype(float).mean(axis=0)
    np.testing.assert_allclose(heeq, [header[f"HEQ{axis}_OBS"] / 1000 for axis in "XYZ"], rtol=1e-5)
    assert np.mean(data["spice_disc_size"].astype(float)) == pytest.approx(header["RSUN_ARC"], rel=1e-6)


def test_ancillary_waits_for_flown_kernels(level1: Level1, flight_inputs: Inputs) -> None:
    """A day is made once it lies a day before the date of the flown kernels; predicted ones do not do."""
    (housekeeping,) = level1("R_20aaf313", HK_MAXI)
    kernels = flight_inputs.kernels
    assert kernels is not None
    predicted = replace(kernels, names=(kernels.names[0],))
    assert "pred-mk" in predicted.names[0]
    made = []
    for issued in (
        replace(kernels, issued=np.datetime64("2020-12-01")),
        replace(kernels, issued=np.datetime64("2020-12-02")),
        replace(kernels, issued=np.datetime64("2020-12-03")),
        predicted,
    ):
        problems: list[Problem] = []
        product = ancillary_product(housekeeping, replace(flight_inputs, kernels=issued), None, problems)
        made.append(product is not None)
        assert len(problems) == (0 if product else 1)
        assert product is not None or "waits for kernels" in problems[0].reason
    assert made == [False, False, True, False]


def test_attitude(flight_inputs: Inputs, tmp_path: Path) -> None:
    """Roll, pitch and yaw of an instrument that is turned by known angles against the frame of the Sun."""
    kernels = flight_inputs.kernels
    assert kernels is not None
    frames = tmp_path / "frames.tf"
    frames.write_text(RTN_AND_ILS)
    turned = Kernels(kernels.names, (*kernels.files, frames), kernels.issued)
    ticks = (np.array([660096003, 660099603]) << 16).astype(np.int64)
    try:
        found = positions(turned, ticks).attitude
    finally:
        with kernels.use():
            assert spiceypy.ktotal("ALL") > 0
    np.testing.assert_allclose(found, [[10.0, -0.25, 0.5]] * 2, rtol=1e-6)
    assert np.isnan(positions(kernels, ticks).attitude).all()


RTN_AND_ILS = r"""KPL/FK
\begindata
FRAME_SOLO_SUN_RTN = -144991
FRAME_-144991_NAME = 'SOLO_SUN_RTN'
FRAME_-144991_CLASS = 5
FRAME_-144991_CLASS_ID = -144991
FRAME_-144991_CENTER = -144
FRAME_-144991_RELATIVE = 'J2000'
FRAME_-144991_DEF_STYLE = 'PARAMETERIZED'
FRAME_-144991_FAMILY = 'TWO-VECTOR'
FRAME_-144991_PRI_AXIS = 'X'
FRAME_-144991_PRI_VECTOR_DEF = 'OBSERVER_TARGET_POSITION'
FRAME_-144991_PRI_OBSERVER = 'SUN'
FRAME_-144991_PRI_TARGET = -144
FRAME_-144991_PRI_ABCORR = 'NONE'
FRAME_-144991_SEC_AXIS = 'Z'
FRAME_-144991_SEC_VECTOR_DEF = 'CONSTANT'
FRAME_-144991_SEC_FRAME = 'IAU_SUN'
FRAME_-144991_SEC_SPEC = 'RECTANGULAR'
FRAME_-144991_SEC_VECTOR = ( 0, 0, 1 )
FRAME_SOLO_STIX_ILS = -144851
FRAME_-144851_NAME = 'SOLO_STIX_ILS'
FRAME_-144851_CLASS = 4
FRAME_-144851_CLASS_ID = -144851
FRAME_-144851_CENTER = -144
TKFRAME_-144851_SPEC = 'ANGLES'
TKFRAME_-144851_RELATIVE = 'SOLO_SUN_RTN'
TKFRAME_-144851_ANGLES = ( -0.5, 0.25, -10.0 )
TKFRAME_-144851_AXES = ( 3, 2, 1 )
TKFRAME_-144851_UNITS = 'DEGREES'
\begintext
"""


def test_low_latency(flight_inputs: Inputs, shared_folder: Path, tmp_path: Path) -> None:
    """The golden request again: the same files but for the minute, the same tables."""
    golden = shared_folder / "golden/stix/products/LL01"
    (answer,) = answer_all(golden / "requests", tmp_path, flight_inputs, np.datetime64("2026-11-20T21:01:59.9"))
    assert answer.reason is None
    folder = tmp_path / "products/request_20210117_000000"
    assert sorted(answer.files) == sorted(path.name for path in folder.iterdir())
    assert sorted(answer.files) == sorted(path.name for path in (golden / "out").iterdir())
    for name in answer.files:
        with astropy_fits.open(folder / name, checksum=True) as hdus:
            hdus.verify("exception")
            assert hdus[0].data.tolist() == [[0, 0, 0]] * 3
            comments = hdus[0].header.comments
            assert comments["CDELT1"] == "[deg] Coordinate increment at reference point"
        cards = header_differences(folder / name, golden / "out" / name)
        assert cards == {}
        structure, values = table_differences(folder / name, golden / "out" / name)
        assert structure == {}
        # The range of the file's own packets (3.8).
        assert {re.sub(r"obt_.*", "obt", column) for column in values} <= {"IDB_VERSIONS.obt"}
