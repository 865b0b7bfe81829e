"""Events: entered, seen by their owner and the group of their facility, changed and removed."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from broker_assets.access import accounts
from broker_assets.access import groups as all_groups
from broker_assets.database import engine
from broker_assets.tom.calendars.events import BadEvent, UnknownEvent, between, enter, remove
from broker_assets.tom.targets.readers import Reader

pytestmark = pytest.mark.database
NOON = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def test_from_entering_to_removing(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        users = {name: accounts.add(connection, name, None) for name in ("ann", "bob", "eve")}
        all_groups.add(connection, "Paranal")
        for name in ("ann", "bob"):
            all_groups.set_groups(connection, name, ["Paranal"])

        def seen(name: str) -> list[str]:
            return [one.name for one in between(connection, Reader.of(users[name]), NOON, NOON + 5 * HOUR)]

        ann = users["ann"]
        own = enter(connection, ann, " my  night ", NOON.replace(tzinfo=None), NOON + HOUR)
        enter(connection, ann, "block", NOON + HOUR, NOON + 2 * HOUR, facility="paranal", description="x")
        enter(connection, ann, "other day", NOON + 5 * HOUR, NOON + 6 * HOUR)
        assert (seen("ann"), seen("bob"), seen("eve")) == (["my night", "block"], ["block"], [])
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"name": " "}, "name"),
            ({"ends": NOON}, "ends"),
            ({"ends": NOON + datetime.timedelta(days=900)}, "ends"),
            ({"facility": "La Silla"}, "facility: ann is not in a group"),
        ]
        for change, why in wrong:
            given: dict[str, Any] = {"name": "x", "begins": NOON, "ends": NOON + HOUR} | change
            with pytest.raises(BadEvent, match=why):
                enter(connection, ann, **given)
        with pytest.raises(UnknownEvent):
            enter(connection, users["bob"], "mine", NOON, NOON + HOUR, number=own)
        enter(connection, ann, "renamed", NOON, NOON + HOUR, number=own)
        connection.execute(
            "INSERT INTO access.observations (owner, key, facility, target, parameters, begins, ends, due)"
            " VALUES ('ann', 'k', 'LCO', '{\"name\": \"M 1\"}', '{}', %s, %s, NULL)",
            (NOON + 3 * HOUR, NOON + 4 * HOUR),
        )
        assert seen("ann") == ["renamed", "block", "M 1 (LCO)"]
        with pytest.raises(UnknownEvent):
            remove(connection, users["bob"], own)
        remove(connection, ann, own)
        assert seen("ann") == ["block", "M 1 (LCO)"]
