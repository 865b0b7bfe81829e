"""Features from rows of points are those of the packets that listed them."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from broker_assets.lightcurves.archive_features import HISTORY_DAYS, POINTS, STATES, features_of_points
from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.features import features

FIRST = 61000.2


def points_of(objects: int, visits: int, seed: int) -> pa.Table:
    """Detections twice a night and forced photometry of the night before, each brought by the detection after it."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for item in range(1, objects + 1):
        for visit in range(visits):
            time = FIRST + 30.0 * (visit // 2) + 0.01 * (visit % 2)
            own = {"diaobjectid": item, "broughtbymjdtai": time, "timewithdrawnmjdtai": None}
            flux = float(np.float32(random.normal(5000.0, 500.0)))
            rows.append({**own, "kind": 0, "midpointmjdtai": time, "flux": flux, "band": "gr"[visit % 2],
                         "reliability": float(random.random())})  # fmt: skip
            rows.append(
                {**own, "kind": 1, "midpointmjdtai": time - 1.0, "flux": 10.0, "band": "i", "reliability": None}
            )
    rows[4]["timewithdrawnmjdtai"] = FIRST + 45.0
    order = random.permutation(len(rows))
    return pa.Table.from_pylist([rows[place] for place in order], POINTS)


def states_of(points: pa.Table) -> pa.Table:
    """The last alert of each night of each object."""
    rows = []
    for row in points.to_pylist():
        if row["kind"] == 0 and row["band"] == "r":
            time, number = row["midpointmjdtai"], row["diaobjectid"]
            rows.append(
                {"diaobjectid": number, "night": datetime.date(1858, 11, 17) + datetime.timedelta(int(time) - 1),
                 "broughtby": int(time) * 100 + number, "lastdiasourcemjdtai": time, "firstdiasourcemjdtai": FIRST,
                 "ra": 10.0 * number, "decl": -20.0, "ebv": 0.1, "z": 0.02 if number % 2 else None,
                 "classification": [None, "SN", "VS"][number % 3]}
            )  # fmt: skip
    return pa.Table.from_pylist(rows, STATES)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_those_of_the_packets(seed: int) -> None:
    points = points_of(4, 30, seed)
    states = states_of(points)
    found = features_of_points(states, points).to_pylist()
    assert len(found) == states.num_rows == 4 * 15
    by_key = {(row["diaobjectid"], row["night"]): row for row in found}
    assert list(by_key) == sorted(by_key)
    for state in states.to_pylist():
        end = state["lastdiasourcemjdtai"]
        listed = points.filter(
            (pc.field("diaobjectid") == state["diaobjectid"])
            & (pc.field("broughtbymjdtai") <= end)
            & (pc.field("midpointmjdtai") >= end - HISTORY_DAYS)
            & (pc.field("timewithdrawnmjdtai").is_null() | (pc.field("timewithdrawnmjdtai") > end))
        )
        parts = []
        for kind in (0, 1):
            own = listed.filter(pc.field("kind") == kind)
            bands = ["ugrizy".index(band) for band in own["band"].to_pylist()]
            reliable = own["reliability"].to_numpy()
            parts.append(Points.of(1, np.zeros(len(own), int), own["midpointmjdtai"], own["flux"], bands, reliable))
        explosive = state["classification"] in ("SN", "NT", "ORPHAN") or (
            state["classification"] is None and end - FIRST < 100.0
        )
        known = {name: np.array([state[of]], float) for name, of in (
            ("ra", "ra"), ("dec", "decl"), ("ebv", "ebv"), ("redshift", "z"), ("first_mjd", "firstdiasourcemjdtai"),
        )}  # fmt: skip
        curves = LightCurves.of(*parts).with_(**known, explosive=np.array([explosive]))
        [wanted] = features(curves).to_pylist()
        row = by_key[state["diaobjectid"], state["night"]]
        assert row["diasourceid"] == state["broughtby"]
        for name, value in wanted.items():
            same = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
            assert row[name] == same, (name, state)
    assert len({row["nposdiasources"] for row in found}) > 5
    assert any(row["latestpaircolourtemp"] is not None for row in found)


def test_without_objects_there_are_columns() -> None:
    empty = features_of_points(STATES.empty_table(), POINTS.empty_table())
    assert empty.num_rows == 0
    assert {"diaobjectid", "night", "diasourceid", "jump1", "absmag"} <= set(empty.column_names)
