"""Search by position and statistics, and counts, by version."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.curves import find_roots
from broker_assets.tom.versions.searching import (
    FORCED_STATISTICS,
    STATISTICS,
    TooManyObjectsError,
    count,
    estimate,
    search,
)

pytestmark = pytest.mark.database


def test_statistics_are_those_of_the_points_that_count(connection: psycopg.Connection[Any]) -> None:
    root, other = (find_roots(connection, [number]).identifiers[0] for number in (1, 3))
    found = search(connection, definitions.find(connection, "default"), {})
    assert set(found) == {"rootid", "ra", "dec", *STATISTICS, *FORCED_STATISTICS}
    rows = {identifier: {name: found[name][at] for name in found} for at, identifier in enumerate(found["rootid"])}
    assert set(rows) == {root, other}
    bright = rows[root]
    assert (bright["ndets"], bright["firstdet_mjd"], bright["lastdet_flux"], bright["maxdet_flux"]) == (
        5,
        61001,
        1006,
        1006,
    )
    assert (bright["ndets24"], bright["ndets23"], bright["nsn10"], bright["nfrc"], bright["lastforced_flux"]) == (
        5, 0, 5, 5, 1005.5,
    )  # fmt: skip
    assert (rows[other]["nsn5"], rows[other]["nfrc"], rows[other]["lastforced_mjd"]) == (0, 0, None)
    of_dr1 = search(connection, definitions.find(connection, "dr1"), {"ndets": (6, 6)})
    assert (of_dr1["rootid"], of_dr1["firstdet_flux"], of_dr1["maxdet_mjd"]) == ([root], [2001.0], [61002.0])


@pytest.mark.parametrize(
    ("conditions", "options", "objects"),
    [
        ({"lastdet_mjd": (61003.0, None)}, {}, [1]),
        ({"firstdet_mjd": (None, 61001.5)}, {}, [1]),
        ({"maxdet_flux": (50.0, 200.0)}, {}, [3]),
        ({"ra": (39.0, 41.0)}, {}, [3]),
        ({}, {"cone": (360.0, -20.0, 2.0)}, [1]),
        ({}, {"cone": (40.0, 10.0, 0.1)}, [3]),
        ({}, {"cone": (100.0, 90.0, 3600.0)}, []),
        ({}, {"cone": (100.0, 90.0, 3600.0 * 110)}, [1, 3]),
        ({}, {"bands": ["g"]}, [3]),
        ({}, {"until": 61000.5}, []),
        ({}, {"most": 0}, []),
    ],
)
def test_conditions(
    connection: psycopg.Connection[Any], conditions: Any, options: dict[str, Any], objects: list[int]
) -> None:
    found = search(connection, definitions.find(connection, "default"), conditions, **options)
    wanted = {identifier for number in objects for identifier in find_roots(connection, [number]).identifiers}
    assert set(found["rootid"]) == wanted
    assert ("band" in found) == ("bands" in options)


def test_a_search_without_limits_says_which_it_needs(connection: psycopg.Connection[Any]) -> None:
    realtime, dr1 = (definitions.find(connection, name) for name in ("realtime", "dr1"))
    with pytest.raises(TooManyObjectsError, match="more than 1 root objects are where the search looks: give ra, dec"):
        search(connection, realtime, {}, looked_at=1)
    assert len(search(connection, realtime, {}, looked_at=2)["rootid"]) == 2
    assert len(search(connection, dr1, {}, cone=(40.0, 10.0, 2.0), looked_at=1)["rootid"]) == 1
    assert len(search(connection, realtime, {"lastdet_mjd": (61003.0, None)}, looked_at=1)["rootid"]) == 1


def test_counts(connection: psycopg.Connection[Any]) -> None:
    wanted = {
        "default": {"rootid": 2, "diaobject": 3, "diasource": 6, "diaforcedsource": 5},
        "dr1": {"rootid": 2, "diaobject": 4, "diasource": 7, "diaforcedsource": 5},
        "only_dr1": {"rootid": 1, "diaobject": 1, "diasource": 3, "diaforcedsource": 3},
    }
    for name, counts in wanted.items():
        version = definitions.find(connection, name)
        assert {what: count(connection, version, what) for what in counts} == counts, name
    connection.execute("ANALYZE")
    version = definitions.find(connection, "default")
    assert [estimate(connection, version, what) for what in ("rootid", "diasource")] == [2, 9]
