"""Every golden product, compared card by card and value by value; exactly the listed differences are expected."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from broker_assets.telemetry.archive.product_archive import Archive
from broker_assets.telemetry.archive.units import Touched
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive

pytestmark = [pytest.mark.shared, pytest.mark.slow]

RUNS = {
    "A": ["A_ql30_lbref"],
    "B_hex_science": ["B_hex_science"],
    "C_hex_other": ["C_hex_other"],
    "R_20aaf313": ["R_20aaf313"],
    "E_batch": ["E1_ql30_firsthalf", "E2_ql30_secondhalf_overlap"],
    "E_merge_12": ["E1_ql30_firsthalf", "E2_ql30_secondhalf_overlap"],
    "S1_cal41": ["S1_cal41"],
    "S2_spec24_scaled": ["S2_spec24_scaled"],
    "S4_scpd22": ["S4_scpd22"],
    "S5_tmstatus43_flares": ["S5_tmstatus43_flares"],
    "S9_aspect42": ["S9_aspect42"],
    "S10_spectra32": ["S10_spectra32"],
    # Its input is a file of level LB.
    "LBREF": [],
}
"""Golden run to its telemetry files."""
LEVELS = ("LB", "L0", "L1")
RUN_DEPENDENT = {"DATE", "CHECKSUM", "DATASUM", "VERS_SW", "VERS_CFG"}
RELATIVE = 1e-6
HEADER_RELATIVE = 1e-9

RENAMED = {
    # 3.4.6: the time of an aspect sample is its centre, so the burst begins half a sample later.
    "solo_L0_stix-sci-aspect-burst_0659330799-0659330839_V02_0000000000.fits": (
        "solo_L0_stix-sci-aspect-burst_0659330800-0659330840_V02_0000000000.fits"
    ),
    "solo_L1_stix-sci-aspect-burst_20201122T032720-20201122T032800_V02_0000000000.fits": (
        "solo_L1_stix-sci-aspect-burst_20201122T032720-20201122T032801_V02_0000000000.fits"
    ),
}
"""Golden names that are others here."""

ADDITIONAL = {
    # 3.4.12: a calibration spectrum that is not whole is kept as far as it goes.
    "B_hex_science": {
        "solo_L0_stix-cal-energy_0659318400_V03U.fits",
        "solo_L1_stix-cal-energy_20201122_V03U.fits",
    },
    # 3.4.13: a status packet that lists flares.
    "S5_tmstatus43_flares": {
        "solo_L0_stix-ql-tmstatusflarelist_0659318400_V02U.fits",
        "solo_L1_stix-ql-tmstatusflarelist_20201122_V02U.fits",
    },
}
"""Products that the original could not make."""


@dataclass(frozen=True)
class Difference:
    """Something that is not equal."""

    run: str
    file: str
    hdu: str
    name: str
    ours: Any
    golden: Any


Check = Callable[[Any, Any], bool]


@dataclass(frozen=True)
class Expected:
    """A decision: where it shows, and what must hold there."""

    contract: str
    run: str
    file: str
    hdu: str
    name: str
    holds: Check

    def covers(self, difference: Difference) -> bool:
        """Whether a difference is this one."""
        return (
            fnmatch(difference.run, self.run)
            and fnmatch(difference.file, self.file)
            and difference.hdu == self.hdu
            and fnmatch(difference.name, self.name)
            and self.holds(difference.ours, difference.golden)
        )


def _near(seconds: float) -> Check:
    return lambda ours, golden: abs(ours - golden) <= seconds


def _history(ours: Any, golden: Any) -> bool:
    """The original's history with our name and what the file was made of; merges of the original lose lines (3.9)."""
    ours = [text for text in ours if not text.startswith(("made by ", "made with "))]
    renamed = [text.replace("STIXCore", "broker_assets") for text in golden]
    return ours[-len(renamed) :] == renamed if renamed else ours == []


def _last_channel(ours: Any, golden: Any) -> bool:
    """Counts differ in the last channel of the spectrum only, where the original has none."""
    changed = np.unique(np.nonzero(np.abs(ours - golden) > RELATIVE * np.abs(golden))[-1])
    return bool(changed.min() >= 978 and changed.max() <= 1001 and not golden[..., 978:1002].any())


def _closing(ours: Any, golden: Any) -> bool:
    """Only lengths that are negative in the original differ; ours are those of a sample of the block."""
    changed = ours != golden
    return int(changed.sum()) == 3 and bool((ours[changed] == 2000).all())


def _same(ours: Any, golden: Any) -> bool:
    return bool((ours == golden).all())


def _marked(ours: Any, golden: Any) -> bool:
    """The comments of the original, then those about energies."""
    more = " ".join(ours[len(golden or []) :])
    return ours[: len(golden or [])] == (golden or []) and more == (
        "ENERGIES holds for 50 of 100 rows of DATA, not for these: rows 18-34, 68-100: 100-120, 120-150 keV"
    )


def _block_centre(ours: Any, golden: Any) -> bool:
    return int((ours != golden).sum()) == 3 and bool((ours >= golden).all())


EXPECTED = (
    Expected("3.9 (software)", "*", "*", "PRIMARY", "CREATOR", lambda o, g: (o, g) == ("broker_assets", "stixcore")),
    Expected("3.9 (software, history)", "*", "*", "PRIMARY", "HISTORY", _history),
    Expected("3.2", "*", "*_LB_*", "PRIMARY", "VERSION", lambda o, g: (o, g) == ("02", "00")),
    Expected("3.2", "*", "*_LB_*", "PRIMARY", "SCI_RID", lambda o, g: (o, g) == ("", "0000000000")),
    Expected("3.9", "*", "*-sci-*", "PRIMARY", "SCI_TCC", lambda o, g: len(o) == 5 and g == ""),
    Expected("4.4", "*", "*_L1_*", "PRIMARY", "HAEZ_OBS", lambda o, g: abs(o) < 2e11),
    Expected("4.4", "*", "*_L1_*", "PRIMARY", "OBS_VR", lambda o, g: abs(o) < g),
    Expected("4.4 (test_golden_carrington.py)", "*", "*_L1_*", "PRIMARY", "CRLN_OBS", _near(3.6e-7)),
    # 65536 ticks a second everywhere, no conversion through floating seconds of 65535.
    Expected("4.1", "*", "*", "PRIMARY", "XPOSURE", _near(5e-6)),
    Expected("4.1", "*", "*", "PRIMARY", "XPOMAX", _near(5e-6)),
    # The range of a file is that of its own packets, not of all that were processed at the same time.
    Expected("3.8", "*", "*", "IDB_VERSIONS", "obt_start", lambda o, g: bool((o >= g).all())),
    Expected("3.8", "*", "*", "IDB_VERSIONS", "obt_end", lambda o, g: bool((o <= g).all())),
    # A packet that came twice is listed with the first of its files by name; the original shows the last delivered.
    *(
        Expected("3.2, 3.12", "E_*", "*", "CONTROL", name, lambda o, g: int((o != g).sum()) == 5)
        for name in ("raw_file", "packet")
    ),
    Expected("3.4.5", "B_*", "*_0083036480-*", "PRIMARY", "XPOSURE", lambda o, g: o == 20.0 and g == -640.0),
    Expected("3.4.5", "B_*", "*_0083036480-*", "PRIMARY", "XPOMAX", lambda o, g: o == 40.0 and g > 4e7),
    Expected("3.4.5", "B_*", "*_0083036480-*", "DATA", "time", _block_centre),
    Expected("3.4.5", "B_*", "*_0083036480-*", "DATA", "timedel", _closing),
    # Two blocks with two energies each: the table of the first, and a mark; the original lists what lies between, too.
    *(
        Expected("3.8", "B_*", "*_0083036480-*", "ENERGIES", name, lambda o, g: len(o) == 2 and _same(o, g[:2]))
        for name in ("channel", "e_low", "e_high")
    ),
    Expected("3.8", "B_*", "*_0083036480-*", "PRIMARY", "DATAWARN", lambda o, g: (o, g) == (1, None)),
    Expected("3.8", "B_*", "*_0083036480-*", "PRIMARY", "COMMENT", _marked),
    Expected("3.4.10", "B_*", "*variance*", "CONTROL", "energy_bin_mask", lambda o, g: bool((o == g[:, ::-1]).all())),
    Expected("3.4.12", "S1_*", "*cal-energy*", "DATA", "counts", _last_channel),
    Expected("3.4.12", "S1_*", "*cal-energy*", "DATA", "counts_comp_err", _last_channel),
    Expected("3.5", "S1_*", "*_L1_*", "CONTROL", "quiet_time", lambda o, g: bool((o == 6).all())),
    Expected("3.5", "S1_*", "*_L1_*", "CONTROL", "live_time", lambda o, g: bool((o == 100 * g).all())),
    Expected("2.3", "S[24]_*", "*_L1_*", "PRIMARY", "TRIG_SCA", lambda o, g: o in (27, 30) and g is None),
    *(
        Expected("3.4.6", "S9_*", "*aspect*", "PRIMARY", name, lambda o, g: True)
        for name in (
            "FILENAME",
            "PARENT",
            "DATE-OBS",
            "DATE-BEG",
            "DATE-AVG",
            "DATE-END",
            "DATE_EAR",
            "DATE_SUN",
            "RSUN_ARC",
        )
    ),
    *(
        Expected("3.4.6", "S9_*", "*_L1_*aspect*", "PRIMARY", name, lambda o, g: abs(o - g) <= 1e-5 * abs(g))
        for name in ("*_OBS", "*_VOB", "EAR_TDEL", "SUN_TIME")
    ),
    Expected("3.4.6", "S9_*", "*_L1_*aspect*", "CONTROL", "parent", lambda o, g: True),
    Expected(
        "3.4.6",
        "S9_*",
        "*_L0_*aspect*",
        "DATA",
        "time",
        lambda o, g: o.dtype == np.dtype(">f8") and bool((abs(o - g) < 1e-3).all()),
    ),
    *(
        Expected("3.4.6", "S9_*", "*_L1_*aspect*", "DATA", name, lambda o, g: bool((abs(o * 100 - g) <= 0.51).all()))
        for name in ("time", "timedel")
    ),
    *(
        Expected("3.4.6", "S9_*", "*_L1_*aspect*", "DATA", f"{name} unit", lambda o, g: (o, g) == ("s", "cs"))
        for name in ("time", "timedel")
    ),
)
"""Decisions on likely defects of the original (docs/telemetry.md, Decisions), as far as golden files show them."""


@pytest.fixture(scope="module", params=sorted(RUNS))
def run(request: pytest.FixtureRequest, shared_folder: Path, flight_inputs: Inputs, tmp_path_factory: Any) -> Any:
    """A run made again: its name and the folder."""
    folder = tmp_path_factory.mktemp(request.param)
    with PacketStore(folder / "store") as store:
        touched = Touched()
        for path in _input(shared_folder, request.param):
            touched |= receive(path, store, flight_inputs.databases).touched
        Archive(folder, store, flight_inputs).rebuild(touched)
    return request.param, folder


def _input(shared_folder: Path, run: str) -> list[Path]:
    if run == "LBREF":
        return sorted((shared_folder / "golden/stix/products/LBREF/LB").rglob("*.fits"))
    return [shared_folder / f"data/stix/tm_xml_built/{name}.PktTmRaw.xml" for name in RUNS[run]]


def _files(folder: Path) -> dict[str, Path]:
    return {path.name: path for level in LEVELS for path in folder.glob(f"{level}/**/*.fits")}


def _golden(shared_folder: Path, name: str) -> dict[str, Path]:
    return _files(shared_folder / "golden/stix/products" / name)


def test_names_and_places(run: tuple[str, Path], shared_folder: Path) -> None:
    """The same files in the same folders."""
    name, folder = run
    golden = {
        str(path.relative_to(shared_folder / "golden/stix/products" / name).with_name(RENAMED.get(file, file)))
        for file, path in _golden(shared_folder, name).items()
    }
    ours = {str(path.relative_to(folder)) for path in _files(folder).values()}
    extra = {path for path in ours if Path(path).name in ADDITIONAL.get(name, set())}
    assert len(extra) == len(ADDITIONAL.get(name, set()))
    if name == "LBREF":  # the file holds both days
        golden = {path for path in golden if not path.startswith("LB")}
        ours = {path for path in ours if not path.startswith("LB")}
    assert ours - extra == golden


def test_content(run: tuple[str, Path], shared_folder: Path) -> None:
    """Every card and every value is equal but for the decisions."""
    name, folder = run
    ours = _files(folder)
    unexpected = []
    for file, golden in _golden(shared_folder, name).items():
        if name == "LBREF" and file.startswith("solo_LB"):
            continue
        for difference in _compare(name, ours[RENAMED.get(file, file)], golden):
            if name == "LBREF" and difference.name in ("PARENT", "parent"):
                continue  # our files of level LB have the packets of one day
            if not any(expected.covers(difference) for expected in EXPECTED):
                unexpected.append(difference)
    assert not unexpected, "\n".join(str(item)[:300] for item in unexpected)


def test_every_decision_shows(shared_folder: Path, flight_inputs: Inputs, tmp_path: Path) -> None:
    """No entry of the table is there without need."""
    used: set[Expected] = set()
    for name in RUNS:
        if name in ("LBREF", "E_merge_12"):
            continue
        folder = tmp_path / name
        with PacketStore(folder / "store") as store:
            touched = Touched()
            for path in _input(shared_folder, name):
                touched |= receive(path, store, flight_inputs.databases).touched
            Archive(folder, store, flight_inputs).rebuild(touched)
        ours = _files(folder)
        for file, golden in _golden(shared_folder, name).items():
            for difference in _compare(name, ours[RENAMED.get(file, file)], golden):
                used.update(expected for expected in EXPECTED if expected.covers(difference))
    unused = [f"{item.contract} {item.file} {item.hdu} {item.name}" for item in EXPECTED if item not in used]
    assert not unused


def _compare(run: str, path: Path, golden_path: Path) -> Iterator[Difference]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path, checksum=True) as ours:
            ours.verify("exception")
    with fits.open(path) as ours, fits.open(golden_path) as golden:

        def differs(hdu: str, name: str, mine: Any, other: Any) -> Difference:
            return Difference(run, golden_path.name, hdu, name, mine, other)

        yield from _compare_headers(differs, ours[0].header, golden[0].header)
        if [hdu.name for hdu in ours] != [hdu.name for hdu in golden]:
            yield differs("FILE", "extensions", [hdu.name for hdu in ours], [hdu.name for hdu in golden])
            return
        for mine, other in zip(ours[1:], golden[1:], strict=True):
            if set(mine.columns.names) != set(other.columns.names):
                yield differs(mine.name, "columns", mine.columns.names, other.columns.names)
                continue
            for column in other.columns.names:
                a, b = np.asarray(mine.data[column]), np.asarray(other.data[column])
                if a.shape != b.shape or not _equal(a, b):
                    yield differs(mine.name, column, a, b)
                units = [(table.columns[column].unit or "").strip() for table in (mine, other)]
                if units[0] != units[1]:
                    yield differs(mine.name, f"{column} unit", *units)


def _compare_headers(
    differs: Callable[[str, str, Any, Any], Difference], ours: fits.Header, golden: fits.Header
) -> Iterator[Difference]:
    a: Any
    b: Any
    for key in dict.fromkeys([*golden, *ours]):
        if key in RUN_DEPENDENT:
            continue
        if key in ("HISTORY", "COMMENT"):
            a, b = ([str(text) for text in header.get(key, [])] for header in (ours, golden))
        else:
            a, b = ours.get(key), golden.get(key)
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (a, b))
        if a != b and not (numbers and abs(a - b) <= HEADER_RELATIVE * abs(b)):
            yield differs("PRIMARY", key, a, b)


def _equal(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    if a.dtype.kind in "SUb" or b.dtype.kind in "SUb":
        return bool((a == b).all())
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        return bool((a == b).all())
    x, y = a.astype(np.float64), b.astype(np.float64)
    return bool(((np.abs(x - y) <= RELATIVE * np.abs(y)) | (x == y) | (np.isnan(x) & np.isnan(y))).all())
