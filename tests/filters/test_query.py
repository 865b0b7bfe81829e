"""Filters are checked, and both engines run what comes out."""

from __future__ import annotations

import duckdb
import psycopg
import pytest

from broker_assets.filters.query import FilterError, Form, check

ACCEPTED = [
    "SELECT diaObjectId, flux2mag(g_psfFlux) AS gmag FROM objects WHERE nDiaSources > 3 ORDER BY gmag DESC",
    Form("objects.diaObjectId, z", "objects, sherlock_classifications", "classification = 'SN' OR nDiaSources > 3"),
]


def test_a_form_joins_its_tables_whatever_the_conditions_say() -> None:
    query = check(Form("objects.diaObjectId", "objects, watchlist:3", "nDiaSources > 3 OR ra > 9"))
    assert query.watchlists == {3}
    assert [clause.text for clause in query.clauses] == ["is in watchlist 3", "nDiaSources > 3 OR ra > 9"]


@pytest.mark.database
@pytest.mark.parametrize("form", ACCEPTED)
def test_postgres_runs_it(form: Form | str, module_database_url: str) -> None:
    query = check(form)
    with psycopg.connect(module_database_url.replace("+psycopg", "")) as connection:
        cursor = connection.execute(query.postgres(10))
        assert cursor.description is not None
        assert [column.name for column in cursor.description] == ["$diaobjectid", *query.output]
        connection.execute(query.clause_query("postgres"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT ra FROM objets", "Did you mean objects?"),
        ("SELECT raa FROM objects", "column 8"),
    ],
)
def test_errors_say_where_and_what(text: str, said: str) -> None:
    with pytest.raises(FilterError, match=r"line 1") as caught:
        check(text)
    assert said in str(caught.value)


def test_duckdb_is_there() -> None:
    assert duckdb.__version__.startswith("2.")
