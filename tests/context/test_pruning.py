"""Associations that nothing refers to are deleted, and never one that a batch is about to refer to."""

from __future__ import annotations

import psycopg
import pytest

from broker_assets.context.pruning import Pruned, prune_associations
from broker_assets.database import engine
from broker_assets.provenance.revisions import begin_batch

pytestmark = pytest.mark.database


def associate(connection: psycopg.Connection, *identifiers: int) -> None:
    """Associations of object 7."""
    for identifier in identifiers:
        connection.execute(
            "INSERT INTO associations (diaobjectid, associationid, ra, decl, healpix, classification, annotator,"
            " description) VALUES (7, %s, 10, 20, 0, 'ORPHAN', 'a', 'd')",
            (identifier,),
        )


def refer(connection: psycopg.Connection, identifier: int, source: int = 1) -> None:
    connection.execute(
        "INSERT INTO context_matches (diaobjectid, diasourceid, night, ingestid, associationid)"
        " VALUES (7, %s, '2026-11-20', 1, %s)",
        (source, identifier),
    )


def stored(connection: psycopg.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT associationid FROM associations ORDER BY 1")]


def test_those_of_facts_and_objects_stay(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        associate(connection, *range(1, 8))
        refer(connection, 2)
        connection.execute("INSERT INTO objects (diaobjectid, survey, associationid) VALUES (7, 1, 5), (8, 1, 6)")
        assert prune_associations(connection, chunk=2) == Pruned(5, 0)
        assert stored(connection) == [2, 5]
        assert prune_associations(connection) == Pruned(0, 0)


def test_a_batch_under_way_keeps_what_it_may_refer_to(database_url: str) -> None:
    with (
        engine.connect(database_url, autocommit=True) as connection,
        engine.connect(database_url, autocommit=True) as batch,
    ):
        associate(connection, 1, 2)
        with batch.transaction():
            begin_batch(batch)
            # as `object_context` does: it finds the association stored, and refers to it afterwards
            assert batch.execute("SELECT count(*) FROM associations WHERE associationid = 1").fetchone() == (1,)
            assert prune_associations(connection, patience=0.2) == Pruned(0, 2)
            refer(batch, 1)
        assert prune_associations(connection, patience=0.2) == Pruned(1, 0)
        assert stored(connection) == [1]
