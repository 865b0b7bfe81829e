"""Statistics of a night, from what was stored then."""

from __future__ import annotations

import datetime

import pytest
from stored_points import FIRST, alert, connect, forced, limit, rows

from broker_assets.accounting.facts import prune
from broker_assets.lightcurves import object_statistics
from broker_assets.lightcurves.object_statistics import ASSET, compute_night, describe_night

pytestmark = pytest.mark.database

NIGHT, NEXT = FIRST.isoformat(), (FIRST + datetime.timedelta(days=1)).isoformat()
CONTENT = "SELECT * FROM object_statistics ORDER BY diaobjectid, night, band"


@pytest.fixture
def stored(database_url: str) -> str:
    """Two objects with alerts in two nights, one that is only forced in the first."""
    for number in range(12):
        alert(database_url, 3, 30 + number, 0.2 + 0.01 * number, psfflux=100.0 + number**2, band="gr"[number % 2])
    alert(database_url, 5, 50, 0.3)
    alert(database_url, 3, 60, 1.2, psfflux=500.0)
    alert(database_url, 0, 99, 0.3)
    forced(database_url, 3, 300, 0.1)
    forced(database_url, 7, 700, 0.1)
    limit(database_url, 5, 500, 0.05)
    return database_url


def test_a_night_has_the_objects_with_an_alert_in_it(stored: str) -> None:
    with connect(stored) as connection:
        made = compute_night(connection, NIGHT)
    found = rows(stored, "SELECT diaobjectid, band, diasourceid, npoints, nforced, nlimits FROM object_statistics")
    assert sorted(found) == [
        (3, "all", 41, 13, 1, 0), (3, "g", 41, 7, 1, 0), (3, "r", 41, 6, 0, 0),
        (5, "all", 50, 1, 0, 1), (5, "g", 50, 1, 0, 1),
    ]  # fmt: skip
    assert (made.objects, made.rows) == (2, 5)


def test_a_night_again_is_equal_whatever_came_since(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(stored) as connection:
        first = compute_night(connection, NIGHT)
    before = rows(stored, CONTENT)
    with connect(stored) as connection:
        assert compute_night(connection, NEXT).rows == 3
    forced(stored, 3, 301, 0.15, night=FIRST + datetime.timedelta(days=1))
    monkeypatch.setattr(object_statistics, "OBJECTS", 1)  # parts of a night add up to the same version
    with connect(stored) as connection:
        assert compute_night(connection, NIGHT) == first
    assert [row for row in rows(stored, CONTENT) if row in before] == before
    alert(stored, 3, 55, 0.45, psfflux=1.0)
    with connect(stored) as connection:
        assert compute_night(connection, NIGHT).data_version != first.data_version


def test_what_operators_see(stored: str) -> None:
    with connect(stored) as connection:
        assert describe_night(connection, NIGHT) == {}
        compute_night(connection, NIGHT)
        shown = describe_night(connection, NIGHT)
    assert shown["objects sampled"] == 2
    assert shown["share with period"] == 0.5
    assert shown["plot"].startswith(b"\x89PNG")


def test_old_nights_are_deleted(stored: str) -> None:
    with connect(stored) as connection:
        for night in (NIGHT, NEXT):
            compute_night(connection, night)
            connection.execute(
                "INSERT INTO artefact (asset, partition, data_version, code_version) VALUES (%s, %s, '1', '1')",
                (ASSET, night),
            )
        assert prune(connection, ASSET, before=NEXT) == 5
        left = connection.execute("SELECT partition FROM artefact").fetchall()
    assert left == [(NEXT,)]
    assert {night.isoformat() for (night,) in rows(stored, "SELECT night FROM object_statistics")} == {NEXT}
