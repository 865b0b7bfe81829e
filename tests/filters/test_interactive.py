"""Filters over all objects: rows, limits, and what they cannot do."""

from __future__ import annotations

from dataclasses import fields

import psycopg
import pytest
from stored_filters import add_object

from broker_assets.database import engine
from broker_assets.filters import interactive
from broker_assets.filters.interactive import TookTooLong, run
from broker_assets.filters.query import CheckedQuery, check

pytestmark = pytest.mark.database


def test_rows_are_limited_and_numbers_have_their_digits(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        for number in (1, 2, 3):
            add_object(connection, number, g_psfflux=number / 10)
        query = check("SELECT diaObjectId, g_psfFlux AS flux FROM objects WHERE g_psfFlux > 0.15 ORDER BY diaObjectId")
        found = run(connection, query, limit=10, seconds=5.0)
        assert found.rows == [{"diaObjectId": 2, "flux": 0.2}, {"diaObjectId": 3, "flux": 0.3}]
        assert (found.objects, found.columns, found.more) == ([2, 3], ("diaObjectId", "flux"), False)
        few = run(connection, query, limit=1, seconds=5.0)
        assert (len(few.rows), few.more) == (1, True)
        assert run(connection, query, limit=10, seconds=5.0, among=[3, 9]).objects == [3]
        age = check("SELECT diaObjectId, mjdnow() - lastDiaSourceMjdTai AS age FROM objects")
        assert run(connection, age, limit=1, seconds=5.0, now=61001.5).rows[0]["age"] == 1.5


class Instead(CheckedQuery):
    """A query that was accepted, for which PostgreSQL is given another text, as a defect of the translation would."""

    written: str

    @classmethod
    def of(cls, query: CheckedQuery, written: str) -> Instead:
        made = cls(**{item.name: getattr(query, item.name) for item in fields(query)})
        object.__setattr__(made, "written", written)
        return made

    def postgres(self, limit: int | None = None, *, now: float | None = None, among: str = "") -> str:
        return self.written


def test_a_slow_filter_is_cancelled_and_the_transaction_around_it_goes_on(database_url: str) -> None:
    query = check("SELECT diaObjectId FROM objects")
    with engine.connect(database_url) as connection:
        add_object(connection, 1)
        slow = 'SELECT 1::bigint AS "$diaobjectid", pg_sleep(30)::text'
        with pytest.raises(TookTooLong, match=r"longer than 0\.1 s"):
            run(connection, Instead.of(query, slow), limit=1, seconds=0.1)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            run(connection, Instead.of(query, "DELETE FROM objects RETURNING 1 AS x"), limit=1, seconds=5.0)
        assert run(connection, query, limit=1, seconds=5.0).objects == [1]
        add_object(connection, 2)  # it may write again
        settings = connection.execute("SELECT current_setting('statement_timeout')").fetchone()
        assert settings == ("0",)
    assert interactive.MEMORY
