"""Files become targets of an account."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.tom.targets import lists
from broker_assets.tom.targets.csv_files import BadFile, read_targets, write_targets
from broker_assets.tom.targets.importing import import_targets
from broker_assets.tom.targets.store import Choice, search

pytestmark = pytest.mark.database
FILE = 'name,ra,dec,groups,host\na,1,2,AGN,x\nA,1,2,,\nb,1,2,"AGN, none",\nc,1,2,,"two\nlines"\nd,,2,,\n'


def test_rows_are_made_or_refused(desk: Any) -> None:
    ann = desk.users["ann"]
    listid = lists.make(desk.connection, "ann", "list")
    found = import_targets(desk.connection, ann, FILE, listid=listid)
    assert [(one.line, one.reason.split(":")[0]) for one in found.refused] == [
        (3, "name"), (4, "ann is not in a group named none"), (7, "ra"),
    ]  # fmt: skip
    assert read_targets(found.rest).header == "name,ra,dec,groups,host"
    assert found.rest.splitlines()[2] == 'b,1,2,"AGN, none",'
    assert [one.name for one in search(desk.connection, desk.reader("bob"), Choice())] == ["a"]
    mine = search(desk.connection, desk.reader("ann"), Choice(listid=listid))
    assert [one.name for one in mine] == ["a", "c"]
    # The file that is written makes the same targets for another account.
    again = import_targets(desk.connection, desk.users["eve"], "".join(write_targets(mine)))
    assert again.refused == []
    theirs = search(desk.connection, desk.reader("eve"), Choice())
    assert [one.given for one in theirs] == [one.given for one in mine]


def test_the_text_of_a_refused_row_is_that_of_the_file(desk: Any) -> None:
    # Characters at which only str.splitlines divides, and old line ends.
    text = "name,ra,dec,note\rone,1,2,a\u2028b\x85c\x0cd\rtwo,1,2,\rtwo,1,2,x\u2028y\r"
    found = import_targets(desk.connection, desk.users["eve"], text)
    assert [(one.line, one.text) for one in found.refused] == [(4, "two,1,2,x\u2028y")]


def test_limits_and_files_that_cannot_be_read(desk: Any) -> None:
    found = import_targets(desk.connection, desk.users["eve"], FILE.replace("AGN,x", ",x"), most=1)
    assert len(found.made) == 1
    assert "one too many" in found.refused[0].reason  # though it has the name of the first
    with pytest.raises(BadFile):
        import_targets(desk.connection, desk.users["eve"], b"\xff")
    with pytest.raises(lists.UnknownList):
        import_targets(desk.connection, desk.users["eve"], "name,ra,dec\nnew,1,2\n", listid=10**9)
    assert [one.name for one in search(desk.connection, desk.reader("eve"), Choice())] == ["a"]
