"""Who sees which target: its owner, groups that it or its list is shared with, everybody."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.access.sharing import CannotShare, share
from broker_assets.tom.targets import lists
from broker_assets.tom.targets.readers import OPERATOR, Reader
from broker_assets.tom.targets.store import Choice, search

pytestmark = pytest.mark.database


def seen(desk: Any) -> dict[str, list[str]]:
    readers = {name: desk.reader(name) for name in ("ann", "bob", "eve", "root", "guest")}
    return {name: [one.name for one in search(desk.connection, reader, Choice())] for name, reader in readers.items()}


def test_each_sees_what_it_may(desk: Any) -> None:
    own, shared, listed = (desk.target(name) for name in ("own", "shared", "listed"))
    desk.target("public", public=True)
    theirs = desk.target("theirs", owner="bob")
    share(desk.connection, desk.users["ann"], "target", str(shared), ["AGN"])
    listid = lists.make(desk.connection, "ann", "list")
    assert lists.add(desk.connection, desk.reader("ann"), listid, [listed, theirs]) == 1  # not what ann may not see
    # What another account owns is not shared by ann's list, though it is in it.
    desk.connection.execute("INSERT INTO access.target_members VALUES (%s, %s)", (listid, theirs))
    share(desk.connection, desk.users["ann"], "target_list", str(listid), ["AGN"])
    every = ["own", "shared", "listed", "public", "theirs"]
    assert seen(desk) == {
        "ann": every[:4], "bob": every[1:], "eve": ["public"], "root": every, "guest": ["public"],
    }  # fmt: skip
    assert search(desk.connection, OPERATOR, Choice())[0].targetid == own
    with pytest.raises(CannotShare):
        share(desk.connection, desk.users["eve"], "target", str(shared), [])
    share(desk.connection, desk.users["ann"], "target_list", str(listid), [])
    assert seen(desk)["bob"] == ["shared", "public", "theirs"]
    desk.connection.execute("UPDATE access.target_lists SET public = true")
    assert seen(desk)["guest"] == ["listed", "public"]


def test_a_guest_has_no_name() -> None:
    assert Reader.of(None) == Reader()
