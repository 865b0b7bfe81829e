"""Objects within one arcsecond share a root; sources that were given to another object follow."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.database import engine, partitions
from broker_assets.database.tables import diasources
from broker_assets.tom.versions import roots

pytestmark = pytest.mark.database
RNG = np.random.default_rng(11)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


def vectors(ra: Any, dec: Any) -> Any:
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def clustered(count: int) -> tuple[Any, Any]:
    """Positions in groups of up to two arcseconds, also at the poles and on both sides of 0°."""
    centres = [(0.0, 0.0), (359.99995, 30.0), (10.0, 90.0), (200.0, -89.9999), (123.4, -45.0), (50.0, 12.0)]
    chosen = np.array(centres)[RNG.integers(len(centres), size=count)]
    north, east = RNG.uniform(-3, 3, (2, count)) / 3600
    place = vectors(chosen[:, 0], chosen[:, 1])
    e = np.stack([-np.sin(np.radians(chosen[:, 0])), np.cos(np.radians(chosen[:, 0])), np.zeros(count)], axis=-1)
    n = np.cross(place, e)
    moved = place + np.radians(east)[:, None] * e + np.radians(north)[:, None] * n
    moved /= np.linalg.norm(moved, axis=1)[:, None]
    ra = np.degrees(np.arctan2(moved[:, 1], moved[:, 0])) % 360
    return ra, np.degrees(np.arctan2(moved[:, 2], np.hypot(moved[:, 0], moved[:, 1])))


def one_by_one(ra: Any, dec: Any, before: list[int]) -> list[int]:
    """Which object each one's root was made for, one after the other."""
    where = vectors(ra, dec)
    made: list[int] = list(before)
    owner = []
    for number, place in enumerate(where):
        if number < len(before):
            owner.append(number)
            continue
        near = [root for root in made if np.linalg.norm(where[root] - place) <= 2 * np.sin(np.radians(1 / 3600) / 2)]
        if near:
            owner.append(min(near, key=lambda root: (np.linalg.norm(where[root] - place), root)))
        else:
            made.append(number)
            owner.append(number)
    return owner


def add_objects(connection: psycopg.Connection[Any], ra: Any, dec: Any, *, first: int = 1, survey: int = 1) -> None:
    connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl) SELECT number, %s, ra, dec FROM"
        " unnest(%s::bigint[], %s::float8[], %s::float8[]) AS given (number, ra, dec)",
        (survey, list(range(first, first + len(ra))), ra.tolist(), dec.tolist()),
    )


def owners(connection: psycopg.Connection[Any]) -> list[int]:
    """The smallest object of each one's root is not what it was made for: the root's name says that."""
    return [
        row[0]
        for row in connection.execute(
            "SELECT maker.diaobjectid FROM diaobject AS object JOIN objects AS maker"
            " ON object.rootid = md5('root ' || maker.diaobjectid)::uuid ORDER BY object.diaobjectid"
        )
    ]


def test_roots_are_those_of_one_after_the_other_whatever_is_taken_together(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ra, dec = clustered(240)
    wanted = [number + 1 for number in one_by_one(ra, dec, [])]
    assert len(set(wanted)) < 200
    add_objects(connection, ra, dec)
    add_objects(connection, ra[:5], dec[:5], first=1001, survey=3)
    for together in (1000, 37):
        monkeypatch.setattr(roots, "TOGETHER", together)
        connection.execute("TRUNCATE diaobject, root_diaobject CASCADE")
        done = roots.place_new(connection)
        found = owners(connection)
        assert found[:240] == wanted, together
        # What is at the same place in another survey is another thing.
        assert min(found[240:]) > 1000
        assert (done.objects, done.roots) == (245, len(set(found)))
    assert roots.place_new(connection) == roots.Placed()


def test_two_at_once_make_one_root(connection: psycopg.Connection[Any], database_url: str) -> None:
    ra, dec = clustered(100)
    add_objects(connection, ra, dec)

    def place(_: int) -> roots.Placed:
        with engine.connect(database_url, autocommit=True) as own:
            return roots.place_new(own)

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(place, range(2)))
    assert sum(one.objects for one in done) == 100
    wanted = [number + 1 for number in one_by_one(ra, dec, [])]
    assert owners(connection) == wanted


def test_sources_follow_to_the_object_of_the_newest_alert(connection: psycopg.Connection[Any]) -> None:
    partitions.ensure(connection, [61000.0, 61010.0], tables=(diasources,))
    connection.execute(
        "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, survey, night, broughtby, broughtbymjdtai)"
        " VALUES (11, 1, 61000.0, 1, '2025-11-21', 11, 61000.0), (11, 2, 61000.0, 1, '2025-12-01', 21, 61010.0),"
        " (12, 1, 61001.0, 1, '2025-11-22', 12, 61001.0), (13, 0, 61001.5, 1, '2025-11-22', 13, 61001.5),"
        " (13, 2, 61001.5, 1, '2025-12-01', 21, 61010.0)"
    )
    assert roots.follow_sources(connection, "2025-11-22") == 0
    assert roots.follow_sources(connection, "2025-12-01") == 1
    query = "SELECT diasourceid, diaobjectid FROM reassigned_sources"
    assert connection.execute(query).fetchall() == [(11, 2)]
    assert roots.follow_sources(connection) == 0
    # Back again.
    connection.execute("UPDATE diasources SET broughtbymjdtai = 61020 WHERE diasourceid = 11 AND diaobjectid = 1")
    assert roots.follow_sources(connection) == 1
    assert connection.execute(query).fetchall() == [(11, 1)]
