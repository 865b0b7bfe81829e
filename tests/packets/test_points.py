"""Points of histories as arrays."""

from __future__ import annotations

import numpy as np

from broker_assets.database.point_identity import PointKind, mix
from broker_assets.packets.points import Points


def make(*packets: int) -> Points:
    packet = np.array(packets)
    return Points.of(
        PointKind.FORCED,
        packet,
        packet * 10,
        packet + 0.5,
        {"diaforcedsourceid": packet * 100},
        packet.astype(np.int32),
    )


def test_parts_are_joined_and_rows_are_taken() -> None:
    points = Points.concatenated([make(3, 1), Points.empty(), make(2)])
    assert points.packet.tolist() == [3, 1, 2]
    assert points.identity.tolist() == mix(np.array([300, 100, 200])).tolist()
    assert set(points.kind) == {PointKind.FORCED}
    last = points.take(np.array([False, True, True]))
    assert (last.diaobjectid.tolist(), last.midpointmjdtai.tolist()) == ([10, 20], [1.5, 2.5])
    assert len(Points.concatenated([])) == 0
