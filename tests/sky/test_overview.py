"""What there is of lists, and how far it has been matched."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from broker_assets.database import engine
from broker_assets.sky.cells import cells_at
from broker_assets.sky.lists import (
    ListSettings,
    UnknownList,
    change_list,
    create_area,
    create_watchlist,
    delete_list,
    expire_lists,
)
from broker_assets.sky.overview import area_moc, cone_entries, stored_cones, summaries, summary
from broker_assets.sky.regions import cone_area
from broker_assets.sky.rematch import rematch
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


@pytest.fixture
def connection(database_url: str) -> Any:
    with engine.connect(database_url, autocommit=True) as connection:
        yield connection


def add_object(connection: Any, ra: float, dec: float) -> None:
    cell = int(cells_at(np.array([ra]), np.array([dec]))[0])
    connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl, healpix) VALUES (1, 1, %s, %s, %s)", (ra, dec, cell)
    )


def test_a_watchlist_from_waiting_to_expired(connection: Any) -> None:
    add_object(connection, 10.0, 10.0)
    lines = ["10, 10, a", "10, 10, b, 300", "50, 50"]
    number = create_watchlist(connection, "ann", "mine", parse_watchlist(lines), radius=5.0, description="d")

    def now() -> Any:
        return summary(connection, "watchlist", number, owner="")

    created = now()
    assert (created.state, created.matched_at, created.cones, created.hits) == ("waiting", None, 3, 0)
    rematch(connection, "watchlist", number)
    matched = now()
    assert (matched.state, matched.hits) == ("matched", 2)
    assert matched.matched_at >= created.created
    assert [(cone.name, cone.radius, cone.hits) for cone in cone_entries(connection, number)] == [
        ("a", None, 1), ("b", 300.0, 1), (None, None, 0)
    ]  # fmt: skip
    assert len(cone_entries(connection, number, limit=2)) == 2
    change_list(connection, "ann", "watchlist", number, ListSettings(radius=6.0))
    waiting = now()
    assert (waiting.state, waiting.matched_at, waiting.radius) == ("waiting", matched.matched_at, 6.0)
    assert waiting.revision > matched.revision
    change_list(connection, "ann", "watchlist", number, ListSettings(active=False))
    assert (now().state, now().hits, now().behind) == ("inactive", 2, True)
    rematch(connection, "watchlist", number)
    assert (now().state, now().hits, now().behind) == ("inactive", 0, False)
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    change_list(connection, "ann", "watchlist", number, ListSettings(active=True, expire=past))
    assert (now().state, now().expires) == ("expired", past)
    expire_lists(connection)
    assert now().state == "expired"
    change_list(connection, "ann", "watchlist", number, ListSettings(active=True, expire="never"))
    assert (now().state, now().expires) == ("waiting", None)
    delete_list(connection, "ann", "watchlist", number)
    with pytest.raises(UnknownList, match="there is no watchlist"):
        now()


def test_an_area(connection: Any) -> None:
    moc = cone_area(10.0, 10.0, 1.0, order=8)
    add_object(connection, 10.0, 10.0)
    number = create_area(connection, "ann", "mine", moc)
    before = summary(connection, "area", "MINE ", owner="ann")
    assert (before.kind, before.id, before.state) == ("area", number, "waiting")
    assert before.kind == "area"
    assert before.square_degrees == pytest.approx(moc.sky_fraction * 41252.96)
    rematch(connection, "area", number)
    assert summary(connection, "area", number, owner="").hits == 1
    assert area_moc(connection, number) == moc
    with pytest.raises(UnknownList, match="bob has no area named 'mine'"):
        summary(connection, "area", "mine", owner="bob")
    with pytest.raises(UnknownList, match="there is no area 99"):
        area_moc(connection, 99)


def test_lists_by_owner_and_name(connection: Any) -> None:
    cones = parse_watchlist(["1, 1"])
    made = [
        create_watchlist(connection, owner, name, cones, radius=5.0)
        for owner, name in (("ann", "one"), ("ann", "two"), ("bob", "one"))
    ]
    assert [entry.id for entry in summaries(connection, "watchlist")] == made
    assert [entry.id for entry in summaries(connection, "watchlist", owner="ann")] == made[:2]
    assert [entry.id for entry in summaries(connection, "watchlist", name="ONE")] == [made[0], made[2]]
    assert summaries(connection, "area") == []


def test_stored_cones_are_those_of_the_file(connection: Any) -> None:
    given = parse_watchlist(["10.123456789012345, -10.1, a, 3", "0, 0", "359.999, 89.9, c"])
    number = create_watchlist(connection, "ann", "mine", given, radius=5.0)
    found = stored_cones(connection, number)
    assert found.ra.tolist() == given.ra.tolist()
    assert found.dec.tolist() == given.dec.tolist()
    assert np.array_equal(found.radius, given.radius, equal_nan=True)
    assert found.name.to_pylist() == ["a", None, "c"]
    assert len(stored_cones(connection, 99)) == 0
