"""Migrations bring any database to the tables of the code, however many processes start at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from broker_assets.database import engine, migrations

pytestmark = pytest.mark.database


@pytest.fixture
def empty_url(postgres: Any, new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    with new_database() as name:
        yield postgres.url(name)


def test_upgrade_gives_the_tables_of_the_code_and_can_be_repeated(empty_url: str) -> None:
    assert migrations.current(empty_url) is None
    assert migrations.check(empty_url) != []
    assert migrations.upgrade(empty_url) == migrations.head()
    assert migrations.check(empty_url) == []
    assert migrations.upgrade(empty_url) == migrations.head() == migrations.current(empty_url)


def test_processes_that_start_at_once_do_not_disturb_one_another(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        revisions = list(threads.map(lambda _: migrations.upgrade(empty_url), range(4)))
    assert revisions == [migrations.head()] * 4
    assert migrations.check(empty_url) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE objects DROP COLUMN ebv CASCADE", "ebv"),
        ("ALTER TABLE quarantine ALTER COLUMN payload TYPE text USING ''", "payload"),
        ("DROP VIEW diaobjects", "diaobjects"),
        ("DROP INDEX diasources_lightcurve", "diasources_lightcurve"),
    ],
)
def test_check_tells_a_difference(database_url: str, change: str, told: str) -> None:
    with engine.transaction(database_url) as connection:
        connection.execute(change)
    assert any(told in difference for difference in migrations.check(database_url))


def test_partitions_and_foreign_tables_are_no_difference(database_url: str) -> None:
    with engine.transaction(database_url) as connection:
        connection.execute("CREATE TABLE of_somebody_else (id int)")
    with engine.connect(database_url) as connection:
        from broker_assets.database import partitions

        assert partitions.ensure(connection, [61000.0])
    assert migrations.check(database_url) == []
