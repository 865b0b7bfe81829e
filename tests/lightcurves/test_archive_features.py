"""Features from rows of points are those of the packets that listed them."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from broker_assets.lightcurves.archive_features import ALERTS, POINTS, features_of_points
from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.dust import read_dust_map
from broker_assets.lightcurves.features import features

FIRST = 61000.2
FIT_DAYS = 100.0
HISTORY = {1: 365.0, 2: 30.0}
"""Days that the packets of Rubin and ZTF list."""


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


def alerts_of(points: pa.Table) -> pa.Table:
    """An alert of each detection; every second object is of ZTF."""
    rows = []
    for row in points.to_pylist():
        if row["kind"] == 0:
            time, number = row["midpointmjdtai"], row["diaobjectid"]
            rows.append(
                {"diaobjectid": number, "night": datetime.date(1858, 11, 17) + datetime.timedelta(int(time) - 1),
                 "diasourceid": round(time * 100) * 100 + number, "midpointmjdtai": time, "survey": 1 + number % 2,
                 "firstdiasourcemjdtai": FIRST, "ra": 10.0 * number, "decl": -20.0, "ebv": 0.1,
                 "z": 0.02 if number % 2 else None, "classification": [None, "SN", "VS"][number % 3]}
            )  # fmt: skip
    return pa.Table.from_pylist(rows, ALERTS)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_those_of_the_packets(seed: int) -> None:
    points = points_of(4, 30, seed)
    alerts = alerts_of(points)
    whole = features_of_points(alerts, points, fit_days=FIT_DAYS)
    assert features_of_points(alerts, points, fit_days=FIT_DAYS, most=50 * seed + 1).equals(whole)
    found = whole.to_pylist()
    assert len(found) == alerts.num_rows == 4 * 30
    by_key = {(row["diaobjectid"], row["diasourceid"]): row for row in found}
    assert list(by_key) == sorted(by_key)
    for alert in alerts.to_pylist():
        end = alert["midpointmjdtai"]
        listed = points.filter(
            (pc.field("diaobjectid") == alert["diaobjectid"])
            & (pc.field("broughtbymjdtai") <= end)
            & (pc.field("midpointmjdtai") >= end - HISTORY[alert["survey"]])
            & (pc.field("timewithdrawnmjdtai").is_null() | (pc.field("timewithdrawnmjdtai") > end))
        )
        parts = []
        for kind in (0, 1):
            own = listed.filter(pc.field("kind") == kind)
            bands = ["ugrizy".index(band) for band in own["band"].to_pylist()]
            reliable = own["reliability"].to_numpy()
            parts.append(Points.of(1, np.zeros(len(own), int), own["midpointmjdtai"], own["flux"], bands, reliable))
        explosive = alert["classification"] in ("SN", "NT", "ORPHAN") or (
            alert["classification"] is None and end - FIRST < FIT_DAYS
        )
        known = {name: np.array([alert[of]], float) for name, of in (
            ("ra", "ra"), ("dec", "decl"), ("ebv", "ebv"), ("redshift", "z"), ("first_mjd", "firstdiasourcemjdtai"),
        )}  # fmt: skip
        curves = LightCurves.of(*parts).with_(**known, explosive=np.array([explosive]))
        [wanted] = features(curves).to_pylist()
        row = by_key[alert["diaobjectid"], alert["diasourceid"]]
        assert row["night"] == alert["night"]
        for name, value in wanted.items():
            same = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
            assert row[name] == same, (name, alert)
    assert len({row["nposdiasources"] for row in found}) > 5
    assert any(row["latestpaircolourtemp"] is not None for row in found)


def test_reddening_that_is_not_stored_is_that_of_the_map() -> None:
    points = points_of(2, 2, 0)
    alerts = alerts_of(points)
    ebv = alerts.schema.get_field_index("ebv")
    alerts = alerts.set_column(ebv, alerts.schema.field(ebv), pa.array([0.25, None, None, None], pa.float64()))
    dust = read_dust_map()
    rows = features_of_points(alerts, points, fit_days=FIT_DAYS, dust=dust).to_pylist()
    found = {row["diasourceid"]: row["ebv"] for row in rows}
    for number, alert in enumerate(alerts.to_pylist()):
        wanted = 0.25 if number == 0 else dust.ebv([alert["ra"]], [alert["decl"]])[0]
        assert found[alert["diasourceid"]] == pytest.approx(wanted, rel=1e-6)


def test_without_alerts_there_are_columns() -> None:
    empty = features_of_points(ALERTS.empty_table(), POINTS.empty_table(), fit_days=FIT_DAYS)
    assert empty.num_rows == 0
    assert {"diaobjectid", "diasourceid", "night", "jump1", "absmag"} <= set(empty.column_names)
