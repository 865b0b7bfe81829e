"""Solar-system objects over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.database


def test_a_simulated_asteroid_and_its_track(site: Any) -> None:
    packet = next(record for record in map(site.record, site.alerts) if record["ssSource"])
    identifier, name = packet["ssSource"]["ssObjectId"], packet["mpc_orbits"]["designation"]
    about = site.client.get(f"/api/solar-system/{quote(name)}").json()
    assert str(identifier) in map(str, about["ssObjectIds"])
    assert name in about["designations"]
    assert about["orbits"][0]["a"] == pytest.approx(packet["mpc_orbits"]["a"])
    found = site.client.get(f"/api/solar-system/{identifier}/track").json()
    own = [record for record in map(site.record, site.alerts)
           if record["ssSource"] and record["ssSource"]["ssObjectId"] == identifier]  # fmt: skip
    assert len(found["track"]) == len(own)
    times = [point["midpointMjdTai"] for point in found["track"]]
    assert times == sorted(times)
    points = {point["diaSourceId"]: point for point in found["track"]}
    source = packet["diaSource"]
    point = points[str(source["diaSourceId"])]
    assert (point["ra"], point["dec"], point["survey"]) == (source["ra"], source["dec"], "rubin")
    assert point["helioRange"] == pytest.approx(packet["ssSource"]["helioRange"])
    assert {"mag", "reducedMag", "phaseAngle", "ephOffset"} <= set(point)


def test_names_with_slashes_and_unknown_ones(site: Any) -> None:
    for path in ("C/2023 A3", "C/2023 A3/track", "nothing"):
        answer = site.client.get(f"/api/solar-system/{quote(path)}")
        assert answer.status_code == 404
        assert "no solar-system object" in answer.json()["detail"]
    assert site.client.get("/api/solar-system/433/track", params={"within": -1}).status_code == 422
