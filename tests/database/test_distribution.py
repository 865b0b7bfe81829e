"""The schema can be spread over several servers: compared with the catalogue of a migrated database."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.database import distribution
from broker_assets.database.distribution import LOCAL, REFERENCE, Place, place, statements, tables

pytestmark = pytest.mark.database

KEYS = """
SELECT index.indrelid::regclass::text AS of_table, index.indexrelid::regclass::text AS name,
       array(SELECT attname::text FROM pg_attribute
             WHERE attrelid = index.indrelid AND attnum = ANY (index.indkey)) AS columns
FROM pg_index AS index JOIN pg_class ON pg_class.oid = index.indrelid
WHERE (index.indisunique OR index.indisexclusion) AND NOT pg_class.relispartition
"""
FOREIGN_KEYS = """
SELECT conname, conrelid::regclass::text, confrelid::regclass::text,
       array(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place),
       array(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place)
FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
"""
TRIGGERS = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"


def violations(connection: psycopg.Connection[Any]) -> list[str]:
    """What Citus would refuse."""
    known = {table.fullname: place(table) for table in tables()}
    found = []
    for table, name, columns in connection.execute(KEYS).fetchall():
        kind, column = known.get(table, (None, ""))
        if kind is Place.DISTRIBUTED and column not in columns:
            found.append(f"the unique key {name} of {table} lacks {column}")
    for name, table, target, columns, targets in connection.execute(FOREIGN_KEYS).fetchall():
        of, to = known.get(table), known.get(target)
        if of is None or to is None:
            continue
        pairs = set(zip(columns, targets, strict=True))
        fine = {
            (Place.DISTRIBUTED, Place.DISTRIBUTED): (of[1], to[1]) in pairs and of[1] == to[1],
            (Place.DISTRIBUTED, Place.REFERENCE): True,
            (Place.REFERENCE, Place.REFERENCE): True,
            (Place.LOCAL, Place.LOCAL): True,
            (Place.LOCAL, Place.REFERENCE): True,
        }
        if not fine.get((of[0], to[0]), False):
            found.append(f"the foreign key {name} leads from {table} to {target}")
    for table, name in connection.execute(TRIGGERS).fetchall():
        if known.get(table, (None, ""))[0] is Place.DISTRIBUTED:
            found.append(f"{table} is distributed and has the trigger {name}")
    return sorted(found)


def test_keys_of_the_migrated_database_hold_their_distribution_column(database_url: str) -> None:
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        assert violations(connection) == []
        # What the test would find: one of each kind.
        connection.execute("ALTER TABLE objects ADD UNIQUE (lastdiasourcemjdtai)")
        connection.execute("ALTER TABLE watchlist_hits ADD FOREIGN KEY (cone_id) REFERENCES watchlist_cones")
        connection.execute("ALTER TABLE watchlists ADD FOREIGN KEY (revision) REFERENCES objects (diaobjectid)")
        connection.execute("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        connection.execute("CREATE TRIGGER t AFTER INSERT ON objects EXECUTE FUNCTION nothing()")
        refused = violations(connection)
        assert len(refused) == 3
        assert "objects is distributed and has the trigger t" in refused
        assert any(line.endswith("of objects lacks diaobjectid") for line in refused)
        assert any(line.endswith("leads from watchlists to objects") for line in refused)
        connection.rollback()


def test_every_table_has_its_place() -> None:
    """What must be written in the transaction of rows, and who may see them, is the same on every server."""
    found = {table.fullname: place(table) for table in tables()}
    assert {"diasources", "diaforcedsources", "dianondetectionlimits", "objects", "point_sums"} <= {
        name for name, (kind, column) in found.items() if kind is Place.DISTRIBUTED and column == distribution.OBJECT
    }
    for name, (kind, reason) in found.items():
        if name.startswith("access."):
            assert kind is Place.REFERENCE
        assert reason, name
    assert set(LOCAL) | REFERENCE <= set(found)
    assert not set(LOCAL) & REFERENCE
    assert all(found[name][0] is Place.REFERENCE for name in ("ingest_batch", "stream_offset", "archive_file"))


def test_a_new_table_must_say_where_it_belongs() -> None:
    import sqlalchemy as sa

    with pytest.raises(LookupError, match="new_table"):
        place(sa.Table("new_table", sa.MetaData(), sa.Column("a", sa.Integer)))


def test_statements_name_each_distributed_table_once() -> None:
    made = statements()
    assert len(made) == len(set(made)) > 40
    assert "SELECT create_reference_table('access.users')" in made
