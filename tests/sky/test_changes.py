"""What came and went between two numbers turns the lists of the first into those of the second."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest

from broker_assets.provenance.revisions import current_revision
from broker_assets.sky.changes import BEFORE_ALL, area_changes, cone_changes
from broker_assets.sky.lists import (
    ListSettings,
    add_cones,
    change_list,
    create_area,
    create_watchlist,
    delete_cones,
    delete_list,
)
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database

Cones = dict[int, tuple[int, float, float, float]]
"""List, position and radius of each cone, by its number."""


def cones_now(connection: psycopg.Connection[Any]) -> Cones:
    """Cones of the lists that are matched, by a plain query."""
    rows = connection.execute(
        "SELECT cone_id, wl_id, watchlist_cones.ra, decl, coalesce(nullif(watchlist_cones.radius, 0), list.radius)"
        " FROM watchlist_cones JOIN watchlists AS list USING (wl_id) WHERE list.active"
    )
    return {cone: (watchlist, ra, decl, radius) for cone, watchlist, ra, decl, radius in rows}


def edit(connection: psycopg.Connection[Any], generator: random.Random, lists: list[int]) -> None:
    """One change of a kind that users make."""
    kind = generator.choice(["list", "add", "add", "drop", "radius", "toggle", "delete", "name"])
    some = parse_watchlist([f"{generator.uniform(0, 360)}, {generator.uniform(-90, 90)}" for _ in range(3)])
    if kind == "list" or not lists:
        name, active = f"list {generator.random()}", generator.random() < 0.8
        lists.append(create_watchlist(connection, "ann", name, some, radius=generator.uniform(1, 60), active=active))
        return
    chosen = generator.choice(lists)
    if kind == "add":
        add_cones(connection, "ann", chosen, some)
    elif kind == "drop":
        row = connection.execute("SELECT min(cone_id) FROM watchlist_cones WHERE wl_id = %s", (chosen,)).fetchone()
        if row is not None and row[0] is not None:
            delete_cones(connection, "ann", chosen, [row[0]])
    elif kind == "delete":
        delete_list(connection, "ann", "watchlist", chosen)
        lists.remove(chosen)
    else:
        change = {
            "radius": ListSettings(radius=generator.uniform(1, 60)),
            "toggle": ListSettings(active=generator.random() < 0.5),
            "name": ListSettings(name=f"name {generator.random()}"),
        }[kind]
        change_list(connection, "ann", "watchlist", chosen, change)


@pytest.mark.parametrize("seed", range(3))
def test_changes_turn_any_state_into_any_later_one(connection: psycopg.Connection[Any], seed: int) -> None:
    generator = random.Random(seed)
    lists: list[int] = []
    states: dict[int, Cones] = {BEFORE_ALL: {}}
    for _ in range(40):
        with connection.transaction():
            edit(connection, generator, lists)
        states[current_revision(connection)] = cones_now(connection)
    numbers = sorted(states)
    pairs = [(BEFORE_ALL, numbers[-1]), *(sorted(generator.sample(numbers, 2)) for _ in range(60))]
    for after, until in pairs:
        found = cone_changes(connection, after, until)
        removed, gone = set(found.removed_cones.tolist()), set(found.removed_lists.tolist())
        state = {cone: of for cone, of in states[after].items() if cone not in removed and of[0] not in gone}
        added = {
            row["cone_id"]: (row["wl_id"], row["ra"], row["decl"], row["radius"]) for row in found.added.to_pylist()
        }
        assert not state.keys() & added.keys(), "nothing comes that is there"
        assert state | added == states[until], (after, until)
    nothing = cone_changes(connection, numbers[-1], numbers[-1])
    assert (nothing.removed_cones.size, nothing.removed_lists.size, nothing.added.num_rows) == (0, 0, 0)


def test_areas_come_and_go(connection: psycopg.Connection[Any]) -> None:
    first, second = cone_area(200.0, -40.0, 1.0, order=8), cone_area(20.0, 10.0, 1.0, order=8)
    area = create_area(connection, "ann", "area", first)
    other = create_area(connection, "ann", "other", second)
    made = current_revision(connection)
    found = area_changes(connection, BEFORE_ALL, made)
    assert (found.removed.tolist(), found.added) == ([], {area: first, other: second})
    change_list(connection, "ann", "area", area, ListSettings(active=False))
    delete_list(connection, "ann", "area", other)
    gone = area_changes(connection, made, current_revision(connection))
    assert (sorted(gone.removed.tolist()), gone.added) == ([area, other], {})
    # As of the number before, they are still there.
    assert area_changes(connection, BEFORE_ALL, made).added == {area: first, other: second}
