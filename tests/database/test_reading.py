"""Light curves come from the covering index alone."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from broker_assets.database import border, partitions
from broker_assets.database.alerts import AlertRows, write
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.fetch import fetch
from broker_assets.database.reading import POINTS, conditions, light_curve
from broker_assets.database.tables import PROVENANCE, diaforcedsources, diasources

pytestmark = pytest.mark.database

Make = Callable[..., pa.Table]
NIGHT = datetime.date(2026, 1, 1)


@pytest.fixture
def filled(
    connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make, make_objects: Make
) -> psycopg.Connection[Any]:
    ids = list(range(1, 301)) * 4
    times = [61042.0 + 20 * (i // 300) for i in range(1200)]
    partitions.ensure(connection, times)
    rows = AlertRows(
        sources=make_sources(ids, times),
        forced_sources=make_forced(ids, [time - 1 for time in times]),
        objects=make_objects(ids, times),
    )
    with connection.transaction():
        write(connection, rows, ingestid=1)
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE diasources")
    connection.execute("VACUUM ANALYZE diaforcedsources")
    return connection


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


@pytest.mark.parametrize(
    ("table", "columns"),
    POINTS.items(),
    ids=lambda v: getattr(v, "name", ""),
)
@pytest.mark.parametrize("wanted", [[7], list(range(1, 20))], ids=["one object", "many objects"])
@pytest.mark.parametrize("version", [False, True], ids=["what alerts say", "of a version"])
def test_light_curves_are_index_only_scans(
    filled: psycopg.Connection[Any], table: Any, columns: tuple[str, ...], wanted: list[int], version: bool
) -> None:
    # A few hundred rows fit into a few pages, which PostgreSQL would rather read whole; a night's worth does not.
    filled.execute("SET enable_seqscan = off")
    query = border.select(table, columns, conditions(wanted))
    if version:
        query = border.select(
            table, [*columns, "visit", "reduction"],
            [
                [("diaobjectid", "in", wanted)], [("reduction", "in", [0, 3])],
                [("timewithdrawnmjdtai", "is null", None)],
            ],
        )  # fmt: skip
    row = filled.execute(sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) {}").format(query)).fetchone()
    assert row is not None
    (plan,) = row
    leaves = [node for node in _nodes(plan[0]["Plan"]) if "Relation Name" in node]
    full = [node for node in leaves if not node["Relation Name"].endswith("_default")]
    assert len(full) >= 3
    assert {node["Node Type"] for node in leaves} == {"Index Only Scan"}
    assert sum(node["Heap Fetches"] for node in leaves) == 0


def test_light_curves_of_objects_by_object_and_time(filled: psycopg.Connection[Any]) -> None:
    curves = light_curve(filled, [9, 7, 7, 12345])
    assert curves.sources["diaobjectid"].to_pylist() == [7] * 4 + [9] * 4
    assert curves.sources["midpointmjdtai"].to_pylist() == [61042.0, 61062.0, 61082.0, 61102.0] * 2
    assert curves.sources["band"].to_pylist() == ["g"] * 8
    assert curves.forced_sources["midpointmjdtai"].to_pylist() == [61041.0, 61061.0, 61081.0, 61101.0] * 2
    assert light_curve(filled, 12345).sources.num_rows == 0
    assert light_curve(filled, 7, since=61062.0, until=61102.0).sources["midpointmjdtai"].to_pylist() == [
        61062.0,
        61082.0,
    ]


def test_all_columns(filled: psycopg.Connection[Any]) -> None:
    curves = light_curve(filled, [7, 9], full=True)
    for table, points in ((diasources, curves.sources), (diaforcedsources, curves.forced_sources)):
        assert points.column_names == [name for name in table.c.keys() if name not in PROVENANCE]  # noqa: SIM118
        assert points["diaobjectid"].to_pylist() == [7] * 4 + [9] * 4
    few = light_curve(filled, [7, 9]).sources
    assert curves.sources.select(few.column_names).equals(few)


def test_rows_that_are_read_can_be_written_again_as_they_were(filled: psycopg.Connection[Any]) -> None:
    schema = arrow_schema(diasources)
    everything = sql.SQL("SELECT {} FROM diasources ORDER BY diaobjectid, midpointmjdtai").format(
        sql.SQL(", ").join(map(sql.Identifier, schema.names))
    )
    before = fetch(filled, everything, schema)
    assert before.num_rows == 1200
    assert set(before["night"].to_pylist()) == {NIGHT}
    with filled.transaction():
        filled.execute("DELETE FROM diasources")
        write(filled, AlertRows(sources=before), ingestid=1)
    assert fetch(filled, everything, schema).equals(before)
