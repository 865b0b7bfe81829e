"""What inputs say for a day: changes elsewhere leave its version alone."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.telemetry.archive.input_versions import (
    AFTER,
    CONFIGURATION,
    DATABASE,
    INPUTS,
    KERNELS,
    NOTHING,
    PLAN,
    REQUESTS,
    InputVersions,
)
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.inputs.soop import Interval, Planning
from broker_assets.telemetry.products.levels.level0 import Inputs

FIRST = datetime.date(2021, 6, 10)
DAYS = [FIRST + datetime.timedelta(days=number) for number in range(10)]
EPOCH = datetime.date(2000, 1, 1)
ClockWriter = Callable[..., Kernels]


def changed(before: Inputs, after: Inputs, name: str) -> set[int]:
    """Numbers of the days whose version of an input is another; no other input's may be."""
    old, new = InputVersions(before), InputVersions(after)
    found = set()
    for number, day in enumerate(DAYS):
        one, two = old.of(day), new.of(day)
        assert {other for other in one.keys() | two.keys() if one.get(other) != two.get(other)} <= {name}
        if one.get(name) != two.get(name):
            found.add(number)
    return found


@pytest.fixture
def write_kernels(tmp_path: Path, open_inputs: Inputs) -> ClockWriter:
    """Write meta-kernels with a clock that is `seconds` late from an hour of `DAYS` on."""
    assert open_inputs.kernels is not None
    leap = open_inputs.kernels.files[0]
    ideal = open_inputs.kernels.files[1].read_text()

    def write(
        *, after_hours: float = 0, late: float = 0.0, kind: str = "flown", version: int = 100, issued: str = "20210701"
    ) -> Kernels:
        folder = tmp_path / "kernels"
        for name in ("mk", "lsk", "sclk"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(leap, folder / "lsk/leap.tls")
        second = (FIRST - EPOCH).days * 86400 + after_hours * 3600
        entry = f"{second * 65536:.1f} {second - 43135.816 + late:.6f} 1.0" if late else ""
        text = ideal.replace("0.0 -43135.816 1.0 )", f"0.0 -43135.816 1.0\n {entry} )")
        (folder / f"sclk/clock{version}.tsc").write_text(text)
        name = f"solo_ANC_soc-{kind}-mk_V{version}_{issued}_001.tm"
        listed = f"'$K/lsk/leap.tls'\n '$K/sclk/clock{version}.tsc'"
        (folder / "mk" / name).write_text(
            f"KPL/MK\n\\begindata\nPATH_VALUES = ( '..' )\nPATH_SYMBOLS = ( 'K' )\nKERNELS_TO_LOAD = ( {listed} )\n"
        )
        return Kernels.of_folder(folder)

    return write


def test_all_inputs_have_versions(open_inputs: Inputs) -> None:
    found = InputVersions(open_inputs).of(FIRST)
    assert set(found) == set(INPUTS)
    assert found == InputVersions(open_inputs).of(FIRST)
    assert found[REQUESTS] == found[PLAN] == NOTHING


def test_without_kernels_there_is_no_version(open_inputs: Inputs) -> None:
    assert set(INPUTS) - set(InputVersions(replace(open_inputs, kernels=None)).of(FIRST)) == {KERNELS}


@pytest.mark.parametrize(("hours", "expected"), [(4 * 24 + 12, {4, 5, 6, 7, 8, 9}), (5 * 24 + 4, {5, 6, 7, 8, 9})])
def test_better_clock_changes_its_days(
    open_inputs: Inputs, write_kernels: ClockWriter, hours: float, expected: set[int]
) -> None:
    before = replace(open_inputs, kernels=write_kernels())
    after = replace(open_inputs, kernels=write_kernels(after_hours=hours, late=0.05, version=101))
    assert changed(before, after, KERNELS) == expected


@settings(max_examples=12, deadline=None)
@given(hours=st.floats(0, 240), late=st.floats(0.001, 1.0))
def test_days_before_a_change_of_the_clock_stay(
    hours: float, late: float, open_inputs: Inputs, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Those whose margin it does not reach; all days after it change."""
    assert open_inputs.kernels is not None
    folder = tmp_path_factory.mktemp("clock")
    second = (FIRST - EPOCH).days * 86400 + hours * 3600
    entry = f"0.0 -43135.816 1.0\n {second * 65536:.1f} {second - 43135.816 + late:.6f} 1.0 )"
    text = open_inputs.kernels.files[1].read_text()
    (folder / "clock.tsc").write_text(text.replace("0.0 -43135.816 1.0 )", entry))
    kernels = Kernels.of_files([open_inputs.kernels.files[0], folder / "clock.tsc"])
    found = changed(open_inputs, replace(open_inputs, kernels=kernels), KERNELS)
    reached = [number for number in range(len(DAYS)) if (number + 1) * 24 + AFTER.total_seconds() / 3600 >= hours]
    surely = [number for number in range(len(DAYS)) if (number + 1) * 24 > hours]
    assert set(surely) <= found <= set(reached)


def test_flown_kernels_in_place_of_predicted_ones(open_inputs: Inputs, write_kernels: ClockWriter) -> None:
    """Equal values, but now they are known to be right, until a day before the date of issue."""
    before = replace(open_inputs, kernels=write_kernels(kind="pred", version=100))
    after = replace(open_inputs, kernels=write_kernels(kind="flown", version=101, issued="20210613"))
    assert changed(before, after, KERNELS) == {0, 1}
    later = replace(open_inputs, kernels=write_kernels(kind="flown", version=102, issued="20210615"))
    assert changed(after, later, KERNELS) == {2, 3}


def test_positions_that_end_are_not_available(open_inputs: Inputs, shared_folder: Path) -> None:
    kernels = Kernels.of_folder(shared_folder / "data/stix/run_inputs/kernels")
    found = InputVersions(replace(open_inputs, kernels=kernels))
    assert found.of(datetime.date(2020, 6, 1))[KERNELS].startswith("flown ")
    assert found.of(datetime.date(2022, 6, 1))[KERNELS].startswith("predicted ")
    assert KERNELS not in found.of(datetime.date(2035, 6, 1))


def test_new_table_of_channels_leaves_earlier_days(open_inputs: Inputs, tmp_path: Path) -> None:
    old = open_inputs.configuration.folder
    shutil.copytree(old, tmp_path / "new")
    (tmp_path / "new/VERSION.TXT").write_text("v0.0.2\n")
    text = (old / "detector/channels.csv").read_text()
    (tmp_path / "new/detector/later.csv").write_text(text.replace("maxADC", "200"))
    (tmp_path / "new/detector/science_echan_index.csv").write_text(
        "index, start_date, end_date, sci_chan_file\n"
        "0, 2000-01-01T00:00:00, 2021-06-14T06:00:00, channels.csv\n1, 2021-06-14T06:00:00, none, later.csv\n"
    )
    after = replace(open_inputs, configuration=InstrumentConfiguration(tmp_path / "new"))
    assert changed(open_inputs, after, CONFIGURATION) == {4, 5, 6, 7, 8, 9}


def test_programs_of_the_energy_calibration_count(open_inputs: Inputs, tmp_path: Path) -> None:
    folder = tmp_path / "configuration"
    shutil.copytree(open_inputs.configuration.folder, folder)
    (folder / "ecc/one").mkdir(parents=True)
    (folder / "ecc/one/ECC.cfg").write_text("a")
    item = {"configuration": "one", "validityPeriodUTC": ["2021-06-15T00:00:00.000+00:00", "2021-06-16T00:00:00.000"]}
    (folder / "ecc/ecc_conf_index.json").write_text(json.dumps([item]))
    before = replace(open_inputs, configuration=InstrumentConfiguration(folder))
    assert changed(open_inputs, before, CONFIGURATION) == {5, 6}, "6 by ten minutes of the day before"
    old = {day: InputVersions(before).of(day)[CONFIGURATION] for day in DAYS}
    (folder / "ecc/one/ECC.cfg").write_text("another")
    new = {day: InputVersions(before).of(day)[CONFIGURATION] for day in DAYS}
    assert [number for number, day in enumerate(DAYS) if old[day] != new[day]] == [5, 6]


def row(identifier: int, start: str, **more: str) -> dict[str, str]:
    return {"_id": str(identifier), "unique_id": str(identifier), "start_utc": start, "scaling_factor": "", **more}


def test_rows_of_requests_count_for_their_day(open_inputs: Inputs) -> None:
    rows = {1: [row(1, "2021-06-11T12:00:00")], 2: [row(2, "2021-06-14T12:00:00Z")], 3: [row(3, "unknown")]}
    before = replace(open_inputs, requests=RequestTable(rows))
    other = rows | {2: [row(2, "2021-06-14T12:00:00Z", scaling_factor="25")], 4: [row(4, "2021-06-16T00:30:00")]}
    after = replace(open_inputs, requests=RequestTable(other))
    assert changed(before, after, REQUESTS) == {4, 5, 6}, "4 begins half an hour after midnight"


def test_requests_that_were_answered_count_wherever_they_stand(open_inputs: Inputs) -> None:
    """A request that data answer but that has no row yet is waited for."""
    before = InputVersions(open_inputs).of(FIRST, requests=[7])
    table = RequestTable({7: [row(7, "2019-01-01T00:00:00")]})
    after = InputVersions(replace(open_inputs, requests=table)).of(FIRST, requests=[7])
    assert before[REQUESTS] != after[REQUESTS]
    assert NOTHING not in (before[REQUESTS], after[REQUESTS])


def test_plan_counts_where_it_overlaps(open_inputs: Inputs) -> None:
    item = Interval(np.datetime64("2021-06-12T12:00"), np.datetime64("2021-06-14T12:00"), (("SOOPNAME", "one"),))
    before = replace(open_inputs, planning=Planning(campaigns=(item,)))
    renamed = replace(item, keywords=(("SOOPNAME", "two"),))
    assert changed(open_inputs, before, PLAN) == {2, 3, 4}
    assert changed(before, replace(open_inputs, planning=Planning(campaigns=(renamed,))), PLAN) == {2, 3, 4}
    longer = replace(item, end=np.datetime64("2021-06-15T12:00"))
    assert changed(before, replace(open_inputs, planning=Planning(campaigns=(longer,))), PLAN) >= {5}


def test_database_valid_from_a_day(open_inputs: Inputs, tmp_path: Path, open_database: object) -> None:
    source = open_inputs.databases.path  # type: ignore[union-attr]
    version = open_inputs.databases.version  # type: ignore[union-attr]
    start = (FIRST - EPOCH).days * 86400
    folder = tmp_path / "databases"
    (folder / f"v{version}").mkdir(parents=True)
    shutil.copy(source, folder / f"v{version}/idb.sqlite")

    def inputs(*periods: tuple[str, int, int]) -> Inputs:
        listed = [
            {"version": name, "validityPeriodOBT": [{"coarse": first, "fine": 0}, {"coarse": end, "fine": 0}]}
            for name, first, end in periods
        ]
        (folder / "idbVersionHistory.json").write_text(json.dumps(listed))
        return replace(open_inputs, databases=InstrumentDatabases(folder))

    one = inputs((version, start - 86400, start + 5 * 86400 + 43200))
    found = InputVersions(one)
    assert [number for number, day in enumerate(DAYS) if DATABASE in found.of(day)] == [0, 1, 2, 3, 4, 5]
    longer = inputs((version, start - 86400, start + 20 * 86400))
    assert changed(one, longer, DATABASE) == {6, 7, 8, 9}
