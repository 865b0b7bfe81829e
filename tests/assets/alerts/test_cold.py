"""Nights in the cold store and months that leave, as assets over a drained stream."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from broker_assets.assets.alerts.cold import CHECK, NIGHT, PROVEN
from broker_assets.database import border, engine
from broker_assets.database.reading import light_curve
from broker_assets.database.tables import FEATURE_COLUMNS
from broker_assets.provenance import versions
from broker_assets.settings import ColdSettings
from broker_assets.stream.objects_of_night import SCHEMA

pytestmark = pytest.mark.database


def in_cold(platform: Any, name: str, night: str) -> pa.Table:
    """Rows of a night of a table of the cold store."""
    table = platform.definitions.resources["cold"].store(platform.database).table(name)
    assert table is not None
    return table.scan(row_filter=f"night = '{night}'").to_arrow()


def objects_now(platform: Any) -> dict[int, dict[str, Any]]:
    """The objects as they are in the database, without the columns that say what is known now."""
    names = ", ".join(SCHEMA.names)
    rows = platform.query(f"SELECT {names} FROM objects ORDER BY diaobjectid")
    return {row[SCHEMA.names.index("diaobjectid")]: dict(zip(SCHEMA.names, row, strict=True)) for row in rows}


def keep_few_months(platform: Any) -> None:
    """Older months, as those of the survey are by the clock of this machine, leave the database."""
    platform.settings = platform.settings.model_copy(update={"cold": ColdSettings(hot_months=2)})
    platform.reload()


def test_a_night_is_a_copy_that_can_be_cited(platform: Any, survey: Callable[..., Any]) -> None:
    packets = list(survey(objects=5, visits=4).packets())
    platform.append(packets[:10])
    platform.drain()
    then = objects_now(platform)
    [last] = {str(row["night"]) for row in then.values() if row["night"] is not None}
    platform.append(packets[10:])
    platform.drain()
    nights = [str(night) for (night,) in platform.query("SELECT DISTINCT night FROM archive_file ORDER BY 1")]
    for night in nights:
        platform.make(NIGHT, night=night)
    # Objects as the night left them, although later alerts have changed them.
    found = {row["diaobjectid"]: row for row in in_cold(platform, "objects", last).to_pylist()}
    assert len(nights) > 1
    assert objects_now(platform) != then
    assert found.keys() == then.keys()
    for identifier, row in then.items():
        for name in ("lastdiasourcemjdtai", "broughtby", "ra", "night", "g_psffluxmean", *FEATURE_COLUMNS):
            assert found[identifier][name] == pytest.approx(row[name], nan_ok=True), name
    for name, table in (("diasources", "diasources"), ("object_features", "object_features")):
        counts = dict(platform.query(f"SELECT night::text, count(*) FROM {table} GROUP BY 1"))
        assert {night: in_cold(platform, name, night).num_rows for night in nights} == counts
    event = platform.materialisations(NIGHT)[0].asset_materialization
    assert int(event.metadata["snapshot of diasources"].value) > 0

    version = platform.versions(NIGHT)
    platform.make(NIGHT, night=last)
    assert platform.versions(NIGHT) == version
    with engine.connect(platform.database.url) as connection:
        assert list(versions.stale(connection, asset=NIGHT)) == []
        before = light_curve(connection, list(then), full=True)
        facts = border.facts_beyond(
            connection, "object_features", pa.schema([("diaobjectid", pa.int64())]), datetime.date.fromisoformat(last)
        )
        assert facts.num_rows == in_cold(platform, "object_features", last).num_rows

    # Its months leave once few are kept; readers find the same.
    keep_few_months(platform)
    result = platform.run("move_months")
    assert platform.checks(result)[PROVEN, CHECK, ""]
    assert platform.query("SELECT count(*) FROM diasources") == [(0,)]
    with engine.connect(platform.database.url) as connection:
        after = light_curve(connection, list(then), full=True)
        assert (after.sources, after.forced_sources) == (before.sources, before.forced_sources)
    # A late packet: its points are in the database until its night is written and the month leaves again.
    platform.append(list(survey(objects=2, visits=1, first_object=100).packets()))
    platform.drain()
    late = platform.query("SELECT count(*) FROM diasources")
    assert late[0][0] > 0
    with engine.connect(platform.database.url) as connection:
        assert {item.partition for item in versions.stale(connection, asset=NIGHT)}
    platform.run("move_months")
    assert platform.query("SELECT count(*) FROM diasources") == [(0,)]
    with engine.connect(platform.database.url) as connection:
        assert {item.partition for item in versions.stale(connection, asset=NIGHT)} == set()
        assert light_curve(connection, [100]).sources.num_rows > 0


def test_months_that_differ_do_not_leave(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=2, visits=1).packets()))
    platform.drain()
    keep_few_months(platform)
    # A point of no night is in none that is written.
    platform.execute("UPDATE diasources SET night = NULL WHERE diasourceid = (SELECT min(diasourceid) FROM diasources)")
    result = platform.run("move_months", raise_on_error=False)
    assert not platform.checks(result)[PROVEN, CHECK, ""]
    assert not result.success
    assert platform.query("SELECT count(*) FROM cold_months") == [(0,)]
    assert platform.materialisations("detached_months") == []
