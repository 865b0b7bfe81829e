"""Objects as a night left them are those that the stream stored then."""

from __future__ import annotations

import datetime
from types import ModuleType
from typing import Any

import pytest

from broker_assets.database.engine import connect
from broker_assets.stream.objects_of_night import SCHEMA, objects_of_night

pytestmark = pytest.mark.database


def test_the_same_as_the_stream_had_stored(broker: Any, packets: ModuleType) -> None:
    content = list(packets.Survey(objects=6, visits=4, shuffle=3).packets())
    broker.drain(packets.ListSource.of(content[:12]))
    names = ", ".join(SCHEMA.names)
    then = {row[SCHEMA.names.index("diaobjectid")]: row for row in broker.query(f"SELECT {names} FROM objects")}
    [last] = broker.query("SELECT max(night) FROM objects")[0]
    assert isinstance(last, datetime.date)
    of_night = {key: row for key, row in then.items() if row[SCHEMA.names.index("night")] == last}
    with connect(broker.database_url) as connection:
        [found] = objects_of_night(connection, last, {"alerts": "rubin"})
        assert list(objects_of_night(connection, last, {})) == []
    assert found.schema.names == SCHEMA.names
    assert found["diaobjectid"].to_pylist() == sorted(of_night)
    for row in found.to_pylist():
        stored = of_night[row["diaobjectid"]]
        for name, value in zip(SCHEMA.names, stored, strict=True):
            assert row[name] == pytest.approx(value, nan_ok=True), name
