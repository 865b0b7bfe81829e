"""Plans and requests of the simulation, as those read them who use them."""

from __future__ import annotations

import csv
import datetime
from pathlib import Path

from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.inputs.soop import Planning
from broker_assets.telemetry.simulation.planning import COLUMNS, write_planning, write_requests
from broker_assets.telemetry.simulation.science import requests_of_day
from broker_assets.telemetry.simulation.sun import Sun

DAY = 8900


def test_every_request_is_a_row_with_its_number(tmp_path: Path) -> None:
    requests = requests_of_day(Sun.of_days(3, [DAY]), DAY)
    path = write_requests(tmp_path / "requests.csv", requests)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["unique_id"]) for row in rows] == [request.identifier for request in requests]
    assert [row["scaling_factor"] for row in rows] == [str(request.scaling_factor or "") for request in requests]
    assert RequestTable.read(path) is not None


def test_observations_cover_the_mission(tmp_path: Path) -> None:
    folder = write_planning(tmp_path / "plans", datetime.date(2024, 5, 11), 3)
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".json"]
    assert Planning.of_folder(folder) != Planning.of_folder(
        write_planning(tmp_path / "other", datetime.date(2020, 1, 1), 1)
    )
