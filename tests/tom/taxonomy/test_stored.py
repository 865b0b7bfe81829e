"""Versions of taxonomies are kept; a new database has those of the campaigns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.tom.taxonomy.hierarchy import TAXONOMIES, Taxonomy, TaxonomyError, read_taxonomy
from broker_assets.tom.taxonomy.stored import in_force, read_version, store_version

pytestmark = pytest.mark.database


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


def test_a_new_database_has_the_taxonomies_of_the_package(connection: psycopg.Connection[Any]) -> None:
    for name in TAXONOMIES:
        version, taxonomy = in_force(connection, name)
        assert (version, taxonomy.digest) == (1, read_taxonomy(name).digest)
        assert store_version(connection, taxonomy) == 1


def test_a_change_is_a_version_that_the_views_follow(connection: psycopg.Connection[Any]) -> None:
    rows: list[dict[str, Any]] = [
        {"classid": 2000, "parent": None, "description": "Variable", "gentypes": ()},
        {"classid": 2222, "parent": 2000, "description": "Ia", "gentypes": (10, 71)},
    ]
    changed = Taxonomy.of("elasticc2", rows)
    assert store_version(connection, changed, comment="lensed", adopt=False) == 2
    view = "SELECT count(*) FROM elasticc2_classidofgentype"
    assert connection.execute(view).fetchone() == (124,)
    assert store_version(connection, changed) == 2
    assert connection.execute(view).fetchone() == (4,)
    assert in_force(connection, "elasticc2")[0] == 2
    assert in_force(connection, "elasticc")[0] == 1
    assert read_version(connection, "elasticc2", 1).digest == read_taxonomy("elasticc2").digest
    assert store_version(connection, read_taxonomy("elasticc2")) == 3


def test_unknown_ones_are_refused(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(TaxonomyError, match="no version"):
        in_force(connection, "sitelle")
    with pytest.raises(TaxonomyError, match="there is no version 7"):
        read_version(connection, "elasticc2", 7)
