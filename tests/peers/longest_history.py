"""The simulated object with the longest history."""

from __future__ import annotations

from broker_assets.simulation import SimulatedAlert


def longest(alerts: list[SimulatedAlert]) -> SimulatedAlert:
    """The last alert of the object with the most alerts."""
    counts: dict[int, int] = {}
    for alert in alerts:
        if alert.diaobjectid:
            counts[alert.diaobjectid] = counts.get(alert.diaobjectid, 0) + 1
    best = max(counts, key=lambda identifier: counts[identifier])
    return [alert for alert in alerts if alert.diaobjectid == best][-1]
