"""Comments: by those who may see the target, removed by their author or the owner."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.access.refusals import NotTheOwner
from broker_assets.tom.targets.comments import of_target, remove, write
from broker_assets.tom.targets.fields import BadTarget
from broker_assets.tom.targets.store import UnknownTarget

pytestmark = pytest.mark.database


def test_readers_comment(desk: Any) -> None:
    connection = desk.connection
    number, private = desk.target("seen", public=True), desk.target("private")
    by_eve = write(connection, desk.reader("eve"), number, " hello\r\nthere ")
    by_bob = write(connection, desk.reader("bob"), number, "no")
    assert [(one.author, one.body) for one in of_target(connection, number)] == [("eve", "hello\nthere"), ("bob", "no")]
    with pytest.raises(UnknownTarget):
        write(connection, desk.reader("eve"), private, "x")
    with pytest.raises(BadTarget):
        write(connection, desk.reader("eve"), number, " ")
    with pytest.raises(NotTheOwner):
        remove(connection, desk.reader("eve"), number, by_bob)
    remove(connection, desk.reader("eve"), number, by_eve)
    remove(connection, desk.reader("ann"), number, by_bob)
    remove(connection, desk.reader("ann"), number, by_bob)
    assert of_target(connection, number) == []
