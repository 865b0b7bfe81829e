"""A part of the page that fails does not end the others; private things are shown to those who may see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from things_on_object import OBJECT, add_owned_things

from broker_assets.api.site.object_parts import Sight, parts_of
from broker_assets.database import engine

pytestmark = pytest.mark.database
GUEST = Sight(None, False, {})


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url) as connection:
        add_owned_things(connection)
        connection.commit()
        yield connection


def test_each_account_sees_its_own(connection: psycopg.Connection[Any]) -> None:
    ann = Sight("ann", False, {"filter": {"3"}})
    for sight, filters, others in ((GUEST, 1, 1), (ann, 3, 2), (Sight("root", True, {}), 3, 3)):
        parts = parts_of(connection, OBJECT, None, sight)
        assert not parts.failed
        found = (len(parts.filters), len(parts.annotations), len(parts.lists["watchlists"]), len(parts.lists["areas"]))
        assert found == (filters, others, others, others)
        assert parts.missed == []
    assert len(parts_of(connection, 5, None, ann).missed) == 2


def test_a_failed_part_is_named(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("ALTER TABLE annotators RENAME TO elsewhere")
        parts = parts_of(connection, OBJECT, None, GUEST)
    assert parts.failed == {"annotations"}
    assert parts.annotations == []
    assert len(parts.filters) == 1
