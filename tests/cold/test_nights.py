"""A night is overwritten in one commit, whatever happens meanwhile; on a real S3 server."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from cold_points import bring
from failing_writes import LOSE_CONNECTION, failing_writes

from broker_assets.cold import nights
from broker_assets.cold.catalogue import VERSION_PROPERTY, ColdStore
from broker_assets.cold.nights import point_table, write_night
from broker_assets.database import border
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.tables import diaforcedsources, diasources

pytestmark = pytest.mark.database

FIRST, SECOND = datetime.date(2026, 1, 20), datetime.date(2026, 1, 21)
TABLES = (point_table(diasources), point_table(diaforcedsources))


def in_cold(connection: psycopg.Connection[Any], table: Any, night: datetime.date) -> pa.Table:
    """A night of a table as readers of the cold store find it."""
    connection.commit()
    row = connection.execute("SELECT metadata_location FROM cold_tables WHERE name = %s", (table.name,)).fetchone()
    assert row is not None
    return border.cold_rows(table, arrow_schema(table).names, [[("night", "=", night)]], row[0])


def in_database(connection: psycopg.Connection[Any], table: Any, night: datetime.date) -> pa.Table:
    """The same of the database."""
    return border.rows(connection, table, arrow_schema(table).names, [[("night", "=", night)]])


def ordered(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows in a fixed order."""
    return sorted(rows.to_pylist(), key=repr)


def test_a_night_is_written_and_written_again(s3_store: ColdStore, connection: psycopg.Connection[Any]) -> None:
    """The same rows: the same version; other rows: another one, and the old ones can be read as of their snapshot."""
    bring(connection, FIRST, [1, 2, 3])
    bring(connection, SECOND, [2, 3])
    first = write_night(s3_store, FIRST, TABLES)
    write_night(s3_store, SECOND, TABLES)
    for table in (diasources, diaforcedsources):
        for night in (FIRST, SECOND):
            assert ordered(in_cold(connection, table, night)) == ordered(in_database(connection, table, night))
    again = write_night(s3_store, FIRST, TABLES, chunk_rows=1)
    assert [item.night.data_version for item in again] == [item.night.data_version for item in first]
    assert all(one.snapshot.identifier != other.snapshot.identifier for one, other in zip(again, first, strict=True))

    bring(connection, FIRST, [4], flux=7.0)
    rewritten = write_night(s3_store, FIRST, TABLES, chunk_rows=2)
    assert rewritten[0].night.rows == first[0].night.rows + 1
    assert ordered(in_cold(connection, diasources, FIRST)) == ordered(in_database(connection, diasources, FIRST))
    iceberg = s3_store.table("diasources")
    assert iceberg is not None
    then = iceberg.scan(snapshot_id=first[0].snapshot.identifier).to_arrow()
    assert sorted(then["diaobjectid"].to_pylist()) == [1, 2, 3]
    cited = iceberg.snapshot_by_id(rewritten[0].snapshot.identifier)
    assert cited is not None
    assert cited.summary is not None
    labels = cited.summary.additional_properties
    assert labels[VERSION_PROPERTY] == rewritten[0].night.data_version
    assert connection.execute(
        "SELECT rows, snapshotid FROM cold_nights WHERE name = 'diasources' AND night = %s", (FIRST,)
    ).fetchone() == (4, rewritten[0].snapshot.identifier)


def test_a_process_that_dies_leaves_the_old_night(s3_store: ColdStore, connection: psycopg.Connection[Any]) -> None:
    """Between the files and the commit, and between the commit and what readers are pointed to."""
    bring(connection, FIRST, [1, 2])
    write_night(s3_store, FIRST, TABLES)
    old = ordered(in_cold(connection, diasources, FIRST))
    bring(connection, FIRST, [3])

    def dies(rows: Iterator[pa.Table]) -> Iterator[pa.Table]:
        yield next(rows)
        raise KeyboardInterrupt

    whole = TABLES[0]
    dying = nights.ColdTable(whole.name, whole.schema, lambda *given: dies(whole.read(*given) or iter(())), "sources")
    with pytest.raises(KeyboardInterrupt):
        write_night(s3_store, FIRST, [dying], chunk_rows=1)
    assert ordered(in_cold(connection, diasources, FIRST)) == old
    table = s3_store.table("diasources")
    assert table is not None
    assert ordered(table.scan().to_arrow()) == old

    with (
        failing_writes(s3_store.database_url, "cold_tables", LOSE_CONNECTION, on="INSERT OR UPDATE"),
        pytest.raises(psycopg.OperationalError),
    ):
        write_night(s3_store, FIRST, TABLES)
    assert len(table.refresh().scan().to_arrow()) == 3, "the cold store has the new night"
    assert ordered(in_cold(connection, diasources, FIRST)) == old
    write_night(s3_store, FIRST, TABLES)
    assert ordered(in_cold(connection, diasources, FIRST)) == ordered(in_database(connection, diasources, FIRST))


@pytest.mark.parametrize("night", [SECOND, FIRST], ids=["another night", "the same night"])
def test_two_writers_of_a_table(s3_store: ColdStore, connection: psycopg.Connection[Any], night: datetime.date) -> None:
    """Another one commits while the rows of the first are on their way: neither is lost, none is there twice."""
    bring(connection, FIRST, [1, 2])
    bring(connection, SECOND, [1, 2])
    other = ColdStore(s3_store.database_url, s3_store.warehouse)
    whole, looks = TABLES[0], []
    rows = in_database(connection, diasources, night)
    connection.commit()

    def read(*given: Any) -> Iterator[pa.Table]:
        looks.append(True)
        # First it is asked whether there are rows; the second time the table is open and its new files are written.
        if len(looks) == 2:
            other.overwrite_night("diasources", night.isoformat(), whole.schema, lambda: iter([rows]))
        return whole.read(*given) or iter(())

    write_night(s3_store, FIRST, [nights.ColdTable(whole.name, whole.schema, read, "sources")])
    assert len(looks) == 3
    for each in (FIRST, night):
        assert ordered(in_cold(connection, diasources, each)) == ordered(in_database(connection, diasources, each))


def test_facts_that_are_pruned_stay(store: ColdStore, connection: psycopg.Connection[Any]) -> None:
    """The database forgets features after some months; the night that was written keeps them."""
    features = nights.TABLES[3]
    assert features.name == "object_features"
    connection.execute(
        "INSERT INTO object_features (diaobjectid, diasourceid, night, ingestid) VALUES (1, 10, %s, 1)", (FIRST,)
    )
    connection.execute(
        "INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, rows, checksum, version, inputs)"
        " VALUES (1, %s, 'object_features', 'features', 1, 5, '1', '{}')",
        (FIRST,),
    )
    connection.commit()
    [written] = write_night(store, FIRST, [features])
    assert (written.night.rows, written.kept) == (1, False)
    connection.execute("DELETE FROM object_features")
    connection.execute("DELETE FROM ingest_batch_facts")
    connection.commit()
    [kept] = write_night(store, FIRST, [features])
    assert (kept.night, kept.kept) == (written.night, True)
    table = store.table("object_features")
    assert table is not None
    assert table.scan().to_arrow().num_rows == 1
