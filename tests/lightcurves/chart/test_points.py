"""Points are read from all tables, as they were known at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
import stored_points
from stored_points import NOON

from broker_assets.lightcurves.chart.points import DETECTION, FORCED, LIMIT, curve_points

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    url = module_database_url
    stored_points.alert(url, 7, 70, 1.2, band="r", broughtbymjdtai=NOON + 1.2, reliability=0.5)
    stored_points.forced(url, 7, 71, 0.3, broughtbymjdtai=NOON + 2.2)
    stored_points.limit(url, 7, 72, 0.2, broughtbymjdtai=NOON + 1.2)
    stored_points.alert(url, 8, 80, 0.1, survey=2, archivefileid=None, broughtbymjdtai=NOON)
    stored_points.alert(url, 7, 73, 0.4, broughtbymjdtai=NOON + 0.4, timewithdrawnmjdtai=NOON + 0.9)
    stored_points.alert(url, 9, 90, 0.1)
    with stored_points.connect(url) as connection:
        yield connection


def test_points_of_one_source_are_in_the_order_of_time(connection: psycopg.Connection[Any]) -> None:
    points = curve_points(connection, {7: 1, 8: 2})
    assert points.identifier.tolist() == [80, 72, 71, 70]
    assert points.kind.tolist() == [DETECTION, LIMIT, FORCED, DETECTION]
    assert points.survey.tolist() == [2, 1, 1, 1]
    assert points.has_packet.tolist() == [False, False, False, True]
    assert points.band.tolist() == [1, 1, 1, 2]
    assert points.flux.tolist() == [100.0, 50.0, 100.0, 100.0]
    assert points.snr[[0, 3]].tolist() == [10.0, 10.0]
    assert np.isnan(points.error[1])


def test_as_of_leaves_out_what_came_later(connection: psycopg.Connection[Any]) -> None:
    assert curve_points(connection, [7], as_of=NOON + 1.5).identifier.tolist() == [72, 70]
    assert len(curve_points(connection, [7], as_of=NOON)) == 0
    assert curve_points(connection, [7], as_of=NOON + 0.5).identifier.tolist() == [73]  # withdrawn later


def test_an_unknown_object_has_none(connection: psycopg.Connection[Any]) -> None:
    assert len(curve_points(connection, [12345])) == 0
