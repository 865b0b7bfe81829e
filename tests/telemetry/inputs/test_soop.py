"""Planning keywords of a time range, and the exports that they are read from."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker_assets.telemetry.inputs.soop import COMMENTS, Planning
from broker_assets.telemetry.simulation.planning import write_planning

PLAN = "SSTX_observation_timeline_export_M04_V{}.json"


def at(text: str) -> np.datetime64:
    return np.datetime64(text)


def export(folder: Path, number: int, version: int, *observations: tuple[str, str, str, str]) -> None:
    """One export of the plan M04: observations with name, type, begin and end."""
    listed = [
        {
            "name": name, "compositeId": {"obsType": kind}, "socIds": [f"SSTX_{name}_{number}"],
            "startDate": f"{start}Z", "endDate": f"{end}Z",
        }
        for name, kind, start, end in observations
    ]  # fmt: skip
    content = {"info": {"name": "M04", "internalVersion": str(version)}, "observations": listed}
    (folder / PLAN.format(f"{number:02d}")).write_text(json.dumps(content))


def values(planning: Planning, start: str, end: str) -> dict[str, Any]:
    found = planning.keywords(at(start), at(end))
    assert [comment for name, _, comment in found] == [COMMENTS[name] for name, _, _ in found]
    return {name: value for name, value, _ in found}


def test_what_overlaps_counts_and_is_sorted(tmp_path: Path) -> None:
    export(
        tmp_path, 1, 1,
        ("SECOND", "S2", "2021-05-01T10:00:00", "2021-05-01T12:00:00"),
        ("FIRST", "F1", "2021-05-01T00:00:00", "2021-05-01T11:00:00"),
    )  # fmt: skip
    planning = Planning.of_folder(tmp_path)
    both = values(planning, "2021-05-01T10:30:00", "2021-05-01T10:40:00")
    assert (both["OBS_MODE"], both["OBS_TYPE"]) == ("FIRST;SECOND", "F1;S2")
    assert both["SOOPNAME"] == "none"
    assert values(planning, "2021-05-01T11:00:00", "2021-05-01T11:30:00")["OBS_MODE"] == "SECOND"
    assert values(planning, "2021-05-01T12:00:00", "2021-05-01T13:00:00")["OBS_MODE"] == "none"


def test_a_moment_overlaps_nothing(tmp_path: Path) -> None:
    export(tmp_path, 1, 1, ("FIRST", "F1", "2021-05-01T00:00:00", "2021-05-01T11:00:00"))
    planning = Planning.of_folder(tmp_path)
    assert set(values(planning, "2021-05-01T10:00:00", "2021-05-01T10:00:00").values()) == {"none"}


def test_the_highest_version_of_a_plan_counts(tmp_path: Path) -> None:
    times = ("2021-05-01T00:00:00", "2021-05-02T00:00:00")
    for number, version, name in ((1, 3, "NEWEST"), (2, 2, "OLDER"), (3, 10, "TEN")):
        export(tmp_path, number, version, (name, "X", *times))
    assert values(Planning.of_folder(tmp_path), *times)["OBS_MODE"] == "TEN"
    (tmp_path / PLAN.format("03")).unlink()
    assert values(Planning.of_folder(tmp_path), *times)["OBS_MODE"] == "NEWEST"


def test_of_two_exports_of_a_version_the_first_name_counts(tmp_path: Path) -> None:
    times = ("2021-05-01T00:00:00", "2021-05-02T00:00:00")
    export(tmp_path, 2, 1, ("LATER", "X", *times))
    export(tmp_path, 1, 1, ("EARLIER", "X", *times))
    assert values(Planning.of_folder(tmp_path), *times)["OBS_MODE"] == "EARLIER"


def test_campaigns_of_the_simulated_mission(tmp_path: Path) -> None:
    folder = write_planning(tmp_path / "planning", datetime.date(2024, 5, 11), 2)
    found = values(Planning.of_folder(folder), "2024-05-11T06:00:00", "2024-05-11T07:00:00")
    assert (found["SOOPTYPE"], found["SOOPNAME"]) == ("RS1", "R_SMALL_MRES_MCAD_Simulated")
    assert found["OBS_TYPE"] == "A1;B1"


OBSERVED = (
    '{"info": {"name": "M04", "internalVersion": 1}, "observations": [{"name": "A", "compositeId": {"obsType": "B"},'
    ' "socIds": [], "startDate": "%s", "endDate": "2021-01-02T00:00:00Z"}]}'
)


@pytest.mark.parametrize("start", ["", "NaT", "now", "today", "2021-01-01T00:00:00+02:00", "99999-01-01", "20210101"])
def test_times_that_are_none_are_not_taken_for_one(tmp_path: Path, start: str) -> None:
    (tmp_path / PLAN.format("01")).write_text(OBSERVED % start)
    with pytest.raises(ValueError, match=r"M04 cannot be read.*is not a date and time in UTC"):
        Planning.of_folder(tmp_path)


@pytest.mark.parametrize("name", ["../M04", "/M04", "a\\u0000b", "a\\nb", ""])
def test_the_name_of_a_plan_is_no_path(tmp_path: Path, name: str) -> None:
    (tmp_path / PLAN.format("01")).write_text('{"info": {"name": "' + name + '", "internalVersion": 1}}')
    with pytest.raises(ValueError, match="is not the name of a plan"):
        Planning.of_folder(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "{}", '{"info": {"name": "M04", "internalVersion": "x"}}'])
def test_a_damaged_export_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / PLAN.format("01")).write_text(content)
    with pytest.raises(ValueError, match=r"export_M04_V01\.json cannot be read"):
        Planning.of_folder(tmp_path)
