"""The clock as arrays equals SPICE; kernels are chosen by name; ephemeris keywords of golden headers."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
import spiceypy

from broker_assets.telemetry.inputs.ephemeris import keywords
from broker_assets.telemetry.inputs.kernels import SPACECRAFT, KernelError, Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.simulation.kernels import write_kernels


@pytest.fixture(scope="module")
def kernels(shared_folder: Path) -> Kernels:
    """The kernels of the golden runs."""
    return Kernels.of_folder(shared_folder / "data/stix/run_inputs/kernels")


@pytest.mark.shared
def test_ephemeris_time_is_bit_identical_to_spice(kernels: Kernels) -> None:
    """2,000 random times, before and after the last entry of the table."""
    random = np.random.default_rng(1)
    times = clock.ticks(random.integers(600_000_000, 900_000_000, 2000), random.integers(0, 65536, 2000))
    with kernels.use():
        expected = [spiceypy.scs2e(SPACECRAFT, f"{time >> 16}:{time & 0xFFFF}") for time in times.tolist()]
        texts = [spiceypy.et2utc(time, "ISOC", 6) for time in expected]
    assert kernels.clock.ephemeris_time(times).tolist() == expected
    difference = np.abs(kernels.clock.utc(times) - np.array(texts, dtype="datetime64[us]"))
    assert difference.max() <= np.timedelta64(1, "us")


@pytest.mark.shared
def test_first_tick_of_a_day(kernels: Kernels) -> None:
    """The tick before is still the day before; leap seconds included."""
    for day in ("2016-12-31", "2017-01-01", "2020-11-22", "2021-01-17"):
        tick = kernels.clock.ticks_of_utc(np.datetime64(day))
        days = kernels.clock.utc_day(np.array([tick - 1, tick]))
        expected = datetime.date.fromisoformat(day)
        assert days.tolist() == [expected - datetime.timedelta(days=1), expected]


@pytest.mark.shared
def test_meta_kernels_are_chosen_by_name(kernels: Kernels, shared_folder: Path, tmp_path: Path) -> None:
    """The newest predicted, then the newest flown one; missing files and folders are named."""
    assert kernels.names == (
        "solo_ANC_soc-pred-mk_V106_20210401_001.tm",
        "solo_ANC_soc-flown-mk_V105_20210301_001.tm",
    )
    assert kernels.issued == np.datetime64("2021-03-01")
    with pytest.raises(KernelError, match="has no meta-kernel"):
        Kernels.of_folder(tmp_path)
    (tmp_path / "mk").mkdir()
    text = "\\begindata\nPATH_VALUES = ( '..' )\nPATH_SYMBOLS = ( 'K' )\nKERNELS_TO_LOAD = ( '$K/lsk/no+' 'ne.tls' )\n"
    (tmp_path / "mk/solo_ANC_soc-flown-mk_V001_20200101_001.tm").write_text(text)
    with pytest.raises(KernelError, match=r"lsk/none\.tls"):
        Kernels.of_folder(tmp_path)


@pytest.mark.shared
def test_time_that_no_kernel_covers(kernels: Kernels) -> None:
    """Empty values and a mark, no failure."""
    late = np.datetime64("2086-01-01T00:00:00")
    found = {name: value for name, value, _ in keywords(kernels, late, late)}
    assert found["SPICE_ER"] == "1"
    assert found["HGLN_OBS"] == ""


@pytest.mark.shared
def test_radial_velocity_is_the_part_along_the_line(kernels: Kernels) -> None:
    """It is the change of the distance."""
    time = np.datetime64("2020-11-22T00:00:00")
    step = np.timedelta64(10, "s")
    values = [
        {name: value for name, value, _ in keywords(kernels, moment, moment)}
        for moment in (time - step, time, time + step)
    ]
    speed = (values[2]["DSUN_OBS"] - values[0]["DSUN_OBS"]) / 20.0
    assert values[1]["OBS_VR"] == pytest.approx(speed, rel=1e-5)
    assert values[1]["HAEZ_OBS"] != values[1]["HAEX_OBS"]


@pytest.fixture(scope="module")
def open_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of simulated kernels."""
    start = datetime.date(2024, 5, 11)
    day = datetime.timedelta(days=1)
    return write_kernels(tmp_path_factory.mktemp("kernels"), start=start, end=start + day, flown=start + 3 * day)


def test_a_meta_kernel_by_name(open_kernels: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its relative paths are those of its folder, wherever the program runs; missing files are named."""
    monkeypatch.chdir(tmp_path)
    (flown,) = (open_kernels / "mk").glob("*flown*.tm")
    one = Kernels.of_files([flown])
    of_folder = Kernels.of_folder(open_kernels)
    ticks = np.arange(8) << 46
    assert one.clock.utc(ticks).tolist() == of_folder.clock.utc(ticks).tolist()
    assert one.names == (flown.name,)
    assert one.issued == of_folder.issued is not None
    broken = tmp_path / "broken.tm"
    broken.write_text("\\begindata\nKERNELS_TO_LOAD = ( 'none.tls' )\n")
    with pytest.raises(KernelError, match=r"missing: .*absent\.tm, .*none\.tls"):
        Kernels.of_files([broken, tmp_path / "absent.tm"])


@pytest.mark.parametrize(
    "other",
    [
        "SCLK01_TIME_SYSTEM_144 = ( 1 )",
        "SCLK01_OFFSETS_144 = ( 100 0 )",
        "SCLK_PARTITION_START_144 = ( 6553600.0 )",
        "SCLK_PARTITION_START_144 = ( 0.0 3.0E13 ) SCLK_PARTITION_END_144 = ( 5.0E13 2.8147497671065E+14 )",
    ],
)
def test_clocks_of_another_form_are_refused(open_kernels: Path, other: str, tmp_path: Path) -> None:
    """They would silently give other times."""
    (leap_seconds,) = (open_kernels / "lsk").iterdir()
    (clock_kernel,) = (open_kernels / "sclk").iterdir()
    (tmp_path / "other.tsc").write_text(f"{clock_kernel.read_text()}\n\\begindata\n{other}\n")
    assert Kernels.of_files([leap_seconds, clock_kernel]).clock
    with pytest.raises(KernelError, match=r"other\.tsc (has another form|does not cover)"):
        _ = Kernels.of_files([leap_seconds, tmp_path / "other.tsc"]).clock
