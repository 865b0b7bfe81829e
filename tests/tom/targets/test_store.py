"""Targets are made, found, changed and removed, also by two at once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker_assets.access.refusals import NameTaken, NotTheOwner
from broker_assets.database import engine
from broker_assets.tom.targets.fields import SCHEMES, BadTarget
from broker_assets.tom.targets.readers import OPERATOR
from broker_assets.tom.targets.store import (
    Choice,
    UnknownTarget,
    change,
    get,
    of_object,
    of_root,
    own,
    remove,
    search,
    tags_of,
)  # fmt: skip

pytestmark = pytest.mark.database


def test_a_target_is_changed_by_its_owner_alone(desk: Any) -> None:
    connection, ann = desk.connection, desk.reader("ann")
    number = desk.target("M 1", aliases=["NGC 1952"], tags=["SNR"], extras={"z": "0"}, pm_ra=1.5)
    found = change(connection, ann, number, {"dec": "-6", "pm_ra": None, "tags": ["snr", "bright"], "public": True})
    assert (found.ra, found.dec, found.pm_ra, found.tags, found.extras) == (10, -6, None, ["snr", "bright"], {"z": "0"})
    assert found.modified > found.created
    with pytest.raises(NameTaken):
        desk.target("m 1")
    other = desk.target("other")
    for wrong, error in (({"name": "m 1"}, NameTaken), ({"ra": 400}, BadTarget), ({"owner": "eve"}, BadTarget)):
        with pytest.raises(error):
            change(connection, ann, other, wrong)
    with pytest.raises(NotTheOwner):
        change(connection, desk.reader("eve"), number, {"dec": 0})
    with pytest.raises(NotTheOwner):
        remove(connection, desk.reader("root"), number)
    with pytest.raises(UnknownTarget):
        own(connection, desk.reader("eve"), other)
    assert own(connection, OPERATOR, other).name == "other"
    elements = dict.fromkeys(SCHEMES["MPC_COMET"], 0.5) | {"scheme": "MPC_COMET", "type": "NON_SIDEREAL", "ra": None}
    moved = change(connection, ann, other, elements)
    assert (moved.type, moved.ra, moved.elements["perihdist"]) == ("NON_SIDEREAL", None, 0.5)
    assert remove(connection, ann, number).name == "M 1"
    with pytest.raises(UnknownTarget):
        get(connection, ann, number)


def test_targets_are_found(desk: Any) -> None:
    first = desk.target("M 1", aliases=["NGC 1952"], tags=["SNR"])
    second = desk.target("pole", dec=89.9999, ra=0.1, tags=["snr", "x"])
    third = desk.target("edge", ra=359.9999, dec=0, diaobjectid=7)

    def found(**choice: Any) -> list[int]:
        return [one.targetid for one in search(desk.connection, desk.reader("ann"), Choice(**choice))]

    assert found(text="ngc") == [first]
    assert found(text="%") == []
    assert found(tag="SNR") == [first, second]
    assert found(near=(200.0, 90.0, 0.001)) == [second]
    assert found(near=(0.0, 0.0, 0.001)) == [third]
    assert found(diaobjectid=7, type="SIDEREAL", owner="ann") == [third]
    assert found(type="NON_SIDEREAL") == found(owner="bob") == found(listid=1) == []
    page = search(desk.connection, desk.reader("ann"), Choice(), limit=1, after=first)
    assert [one.targetid for one in page] == [second]
    # Which spelling is shown depends on the collation of the database.
    tags = tags_of(desk.connection, desk.reader("ann"))
    assert [(tag.lower(), count) for tag, count in tags] == [("snr", 2), ("x", 1)]


def test_two_clicks_make_one_target_of_an_object(desk: Any) -> None:
    def click(_: int) -> int:
        with engine.connect(desk.url, autocommit=True) as connection:
            return of_object(connection, "ann", 7)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(click, range(8)))) == 1
    [found] = search(desk.connection, desk.reader("ann"), Choice())
    assert (found.name, found.aliases, found.diaobjectid, found.ra) == ("x", ["7"], 7, 10)
    with pytest.raises(UnknownTarget):
        of_object(desk.connection, "ann", 8)


def test_a_root_object_has_one_target(desk: Any) -> None:
    root = uuid.uuid4()
    desk.connection.execute(
        "INSERT INTO root_diaobject (id, ra, dec, survey, zone) VALUES (%s, 10.5, -5, 1, 0), (%s, NULL, NULL, 1, 0)",
        (root, other := uuid.uuid4()),
    )

    def click(_: int) -> int:
        with engine.connect(desk.url, autocommit=True) as connection:
            return of_root(connection, "ann", root, name="nova")

    with ThreadPoolExecutor(3) as pool:
        [number] = set(pool.map(click, range(6)))
    found = get(desk.connection, desk.reader("ann"), number)
    assert (found.name, found.aliases, found.ra, found.dec) == ("nova", [str(root)], 10.5, -5)
    assert get(desk.connection, desk.reader("bob"), of_root(desk.connection, "bob", root)).name == str(root)
    for unknown in (other, uuid.uuid4()):
        with pytest.raises(UnknownTarget, match="no root object"):
            of_root(desk.connection, "ann", unknown)
