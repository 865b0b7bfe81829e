"""Lists of targets."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.access.refusals import NameTaken, NotTheOwner
from broker_assets.tom.targets import lists
from broker_assets.tom.targets.fields import BadTarget
from broker_assets.tom.targets.store import Choice, search

pytestmark = pytest.mark.database


def test_a_list_is_filled_changed_and_removed(desk: Any) -> None:
    connection, ann = desk.connection, desk.reader("ann")
    first, second = desk.target("first"), desk.target("second")
    number = lists.make(connection, "ann", " my  list ", "x")
    assert lists.add(connection, ann, number, [second, first, 99]) == 2
    assert lists.add(connection, ann, number, [first]) == 0
    assert [one.targetid for one in search(connection, ann, Choice(listid=number))] == [first, second]
    assert lists.drop(connection, ann, number, [second]) == 1
    lists.change(connection, ann, number, name="renamed", description="", public=True)
    [found] = lists.search(connection, desk.reader("eve"))
    assert (found.name, found.targets, found.public) == ("renamed", 1, True)
    assert [one.name for one in lists.search(connection, ann, targetid=first)] == ["renamed"]
    assert lists.search(connection, ann, targetid=second) == []
    with pytest.raises(NotTheOwner):
        lists.add(connection, desk.reader("eve"), number, [first])
    with pytest.raises(NameTaken):
        lists.make(connection, "ann", "RENAMED")
    with pytest.raises(BadTarget):
        lists.make(connection, "ann", " ")
    other = lists.make(connection, "ann", "other")
    with pytest.raises(lists.UnknownList):
        lists.get(connection, desk.reader("eve"), other)
    with pytest.raises(NameTaken):
        lists.change(connection, ann, other, name="Renamed", description="")
    assert lists.remove(connection, ann, number).name == "renamed"
    assert len(search(connection, ann, Choice())) == 2
