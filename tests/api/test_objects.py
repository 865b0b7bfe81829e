"""Light curves over HTTP."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from broker_assets.simulation import SimulatedAlert

pytestmark = pytest.mark.database


def longest(alerts: list[SimulatedAlert]) -> SimulatedAlert:
    """The last alert of the object with the most alerts."""
    counts: dict[int, int] = {}
    for alert in alerts:
        if alert.diaobjectid:
            counts[alert.diaobjectid] = counts.get(alert.diaobjectid, 0) + 1
    best = max(counts, key=lambda identifier: counts[identifier])
    return [alert for alert in alerts if alert.diaobjectid == best][-1]


def test_light_curves_have_every_point_in_order(site: Any) -> None:
    alert = longest(site.alerts)
    packet = site.record(alert)
    curve = site.client.get(f"/api/objects/{alert.diaobjectid}/lightcurve").json()
    assert curve["diaObjectId"] == str(alert.diaobjectid)
    assert curve["survey"] == "rubin"
    sources = [*packet["prvDiaSources"], packet["diaSource"]]
    assert [point["diaSourceId"] for point in curve["diaSources"]] == [str(one["diaSourceId"]) for one in sources]
    assert np.allclose([point["psfFlux"] for point in curve["diaSources"]], [one["psfFlux"] for one in sources])
    assert len(curve["diaForcedSources"]) == len(packet["prvDiaForcedSources"])
    times = [point["midpointMjdTai"] for point in curve["diaForcedSources"]]
    assert times == sorted(times)
    assert set(curve["diaSources"][0]) == {
        "diaSourceId", "midpointMjdTai", "band", "psfFlux", "psfFluxErr", "reliability"
    }  # fmt: skip
    full = site.client.get(f"/api/objects/{alert.diaobjectid}/lightcurve", params={"full": True}).json()
    assert full["diaObject"]["nDiaSources"] == len(sources)
    assert "pixelFlags_cr" in full["diaSources"][0]
