"""Alerts as JSON."""

from __future__ import annotations

import numpy as np
import pytest

from broker_assets.lightcurves.alert_json import NotAnAlert, light_curves
from broker_assets.lightcurves.statistics_documents import of_alerts

SOURCE = {"midpointMjdTai": 61000.0, "band": "g", "psfFlux": 5.0, "reliability": 0.9}


def test_what_an_alert_says_becomes_a_light_curve() -> None:
    sherlock = [{"classification": "NT", "best_distance": 40.0, "z": None, "photoZ": 0.2}, {"classification": "VS"}]
    curves = light_curves(
        [
            {
                "diaObject": {"ra": 1.0, "decl": -2.0, "firstDiaSourceMjdTai": 60000.0},
                "diaSourcesList": [SOURCE, SOURCE | {"psfFlux": None}, SOURCE | {"midpointMjdTai": 60999.0}],
                "diaForcedSourcesList": [SOURCE],
                "ebv": 0.1,
                "annotations": {"sherlock": sherlock},
            },
            {"diaObject": None, "diaSourcesList": [], "annotations": {}},
        ]
    )
    assert curves.sources.mjd.tolist() == [60999.0, 61000.0]
    assert np.diff(curves.forced.offsets).tolist() == [1, 0]
    assert curves.explosive.tolist() == [True, False]
    for name, values in (
        ("dec", [-2.0, np.nan]), ("ebv", [0.1, np.nan]), ("distance", [40.0, np.nan]),
        ("redshift", [np.nan, np.nan]), ("photometric_redshift", [0.2, np.nan]), ("first_mjd", [60000.0, np.nan]),
    ):  # fmt: skip
        np.testing.assert_array_equal(getattr(curves, name), values, name)


def test_points_that_do_not_count_are_left_out() -> None:
    """As in packets: damaged times, withdrawn points and repeated ones; none of them is the newest."""
    times = (2_461_000.7, 1_480_360_995.0, float("nan"), float("inf"), -2_461_000.7)
    points = [SOURCE | {"midpointMjdTai": time, "diaSourceId": number} for number, time in enumerate(times)]
    points += [SOURCE | {"midpointMjdTai": 61009.0, "diaSourceId": 50, "timeWithdrawnMjdTai": 61010.0}]
    points += [SOURCE | {"diaSourceId": 7, "timeWithdrawnMjdTai": None}, SOURCE | {"diaSourceId": 7}]
    forced = [point | {"diaForcedSourceId": number} for number, point in enumerate(points)]
    for point in forced:
        del point["diaSourceId"]
    alert = {"diaObject": {"diaObjectId": 7}, "diaSourcesList": points, "diaForcedSourcesList": forced}
    curves = light_curves([alert, alert])
    assert curves.sources.mjd.tolist() == [61000.0, 61000.0]
    assert curves.forced.mjd.tolist() == [61000.0, 61000.0] * 2
    [(_, newest, document), _] = of_alerts([alert, alert])
    assert (newest, document["g"]["nDetections"]) == (61000.0, 1)


@pytest.mark.parametrize(
    ("alert", "reason"),
    [
        ({}, "alert 1 has no list diaSourcesList"),
        ([], "alert 1 has no list"),
        ({"diaSourcesList": [{"psfFlux": 1.0}]}, "a point of diaSourcesList has no midpointMjdTai"),
        ({"diaSourcesList": [SOURCE | {"psfFlux": "x"}]}, "cannot be read"),
        ({"diaSourcesList": [3]}, "cannot be read"),
        ({"diaSourcesList": [], "diaObject": "7"}, "alert 1 has diaObject that is not an object"),
        ({"diaSourcesList": [], "diaForcedSourcesList": SOURCE}, "diaForcedSourcesList that is not a list"),
        ({"diaSourcesList": [], "annotations": {"sherlock": {"classification": "SN"}}}, "not a list of objects"),
        ({"diaSourcesList": [], "diaObject": {"ra": "here"}}, "a number of diaObject, .* cannot be read"),
    ],
)
def test_other_documents_are_refused(alert: dict[str, object], reason: str) -> None:
    with pytest.raises(NotAnAlert, match=reason):
        light_curves([alert])
