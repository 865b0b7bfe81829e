"""Both engines with the same tables: an embedded PostgreSQL and a DuckDB as locked as that of filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import duckdb
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database.tables import metadata
from broker_assets.filters.query import CheckedQuery, Form, check
from broker_assets.filters.schema import ALERT, NOW, TABLES, Kind

MJDNOW = 61000.25
"""What `mjdnow()` is in these tests."""

_TYPES = {
    Kind.INTEGER: {16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"},
    Kind.TEXT: {64: "VARCHAR"},
    Kind.BOOLEAN: {1: "BOOLEAN"},
    Kind.TIME: {64: "TIMESTAMPTZ", 32: "DATE"},
    Kind.DOCUMENT: {64: "VARCHAR"},
}

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table: its rows, by column."""


class Engines:
    """The same rows in both."""

    def __init__(self, postgres: psycopg.Connection[Any]) -> None:
        self.postgres = postgres
        self.duckdb = duckdb.connect(config={"enable_external_access": "false"})
        self.duckdb.execute("SET autoinstall_known_extensions = false")
        self.duckdb.execute("SET autoload_known_extensions = false")
        for table in TABLES.values():
            declared = metadata.tables.get(table.name)
            columns = (
                [f'"{column.name}" {self._type(column, declared)}' for column in table.columns.values()]
                + [f'"{ALERT}" BIGINT']
                + ([f'"{NOW}" DOUBLE'] if table.name == "objects" else [])
            )
            self.duckdb.execute(f"CREATE TABLE {table.name} ({', '.join(columns)})")
        self.duckdb.execute("SET lock_configuration = true")

    @staticmethod
    def _type(column: Any, declared: sa.Table | None) -> str:
        if column.kind is Kind.REAL:
            known = declared.c.get(column.name) if declared is not None else None
            return "FLOAT" if known is not None and isinstance(known.type, sa.REAL) else "DOUBLE"
        return _TYPES[column.kind][column.bits]

    def fill(self, rows: Rows) -> None:
        """Put rows into both; every row of `objects` is an alert, and other rows belong to that of their object."""
        for name, items in rows.items():
            for item in items:
                if "classdict" in item:
                    # In the stream a document comes from the database, in its form.
                    (document,) = self.postgres.execute("SELECT %s::jsonb::text", [item["classdict"]]).fetchone() or (
                        "",
                    )
                    item = {**item, "classdict": document}
                columns = list(item)
                marks = ", ".join(["?"] * (len(columns) + 1))
                names = ", ".join(f'"{column}"' for column in [*columns, ALERT])
                alert = item.get("diaobjectid", 0) * 10 % 2**62
                self.duckdb.execute(f"INSERT INTO {name} ({names}) VALUES ({marks})", [*item.values(), alert])
                self._insert(name, item)
        self.duckdb.execute(f'UPDATE objects SET "{NOW}" = ?', [MJDNOW])

    def refill(self, rows: Rows) -> None:
        """Put rows into both in the place of those that are there."""
        self.postgres.execute(
            "TRUNCATE objects, associations, watchlist_hits, area_hits, mma_area_hits, object_classes, object_link,"
            " annotations"
        )
        for name in TABLES:
            self.duckdb.execute(f"DELETE FROM {name}")
        with self.postgres.transaction():
            self.fill(rows)

    def known(self, diaobjectid: int, name: str) -> None:
        """Put an object of TNS near to an object."""
        statements = [
            "INSERT INTO watchlists (wl_id, owner, name, radius) VALUES (900, 'system', '__TNS__', 3)"
            " ON CONFLICT DO NOTHING",
            "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, name)"
            " VALUES (%(object)s, 900, 900, 1, %(name)s)",
            "INSERT INTO crossmatch_tns (ra, decl, tns_name, htm16) VALUES (10, -20, %(name)s, 0)",
        ]
        for statement in statements:
            self.postgres.execute(statement, {"object": diaobjectid, "name": name} if "%" in statement else None)
        self.duckdb.execute(
            f'INSERT INTO crossmatch_tns (diaobjectid, arcsec, tns_name, "{ALERT}") VALUES (?, 1, ?, ?)',
            [diaobjectid, name, diaobjectid * 10],
        )

    def _insert(self, name: str, item: Mapping[str, Any]) -> None:
        needed: dict[str, dict[str, Any]] = {
            "objects": {"survey": 1},
            "object_classes": {"diasourceid": 1, "night": "2026-01-01", "ingestid": 1},
            "object_link": {"night": "2026-01-01", "survey": 1, "linkedsurvey": 2},
            "annotations": {"annotationid": 1, "content": "", "revision": 1, "ingestid": 1},
        }
        if name == "annotations":
            needed[name]["annotationid"] = item["diaobjectid"]
        values = needed.get(name, {}) | dict(item)
        if name == "sherlock_classifications":
            self._associate(dict(item))
            return
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(name),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        self.postgres.execute(statement, list(values.values()))

    def _associate(self, item: dict[str, Any]) -> None:
        values = {"associationid": 7, "ra": 0.0, "decl": 0.0, "healpix": 0, "classification": "SN", "annotator": "x",
            "description": ""} | item  # fmt: skip
        statement = sql.SQL("INSERT INTO associations ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(sql.Placeholder() * len(values))
        )
        self.postgres.execute(statement, list(values.values()))
        self.postgres.execute("UPDATE objects SET associationid = 7 WHERE diaobjectid = %s", [item["diaobjectid"]])

    def run(self, form: Form | str | CheckedQuery) -> list[tuple[Any, ...]]:
        """Rows of a filter: the object and the values; the same in both engines, or the test fails."""
        query = form if isinstance(form, CheckedQuery) else check(form)
        first = [tuple(row[:1] + row[2:]) for row in self.duckdb.execute(query.duckdb()).fetchall()]
        second = self.postgres.execute(query.postgres(now=MJDNOW)).fetchall()
        assert alike(first, second), f"{query.text}\nDuckDB: {first}\nPostgreSQL: {second}"
        return first

    def run_clauses(self, query: CheckedQuery) -> list[tuple[Any, ...]]:
        """Candidates of a filter: the object, whether it meets each clause, the values; the same in both engines."""
        first = [tuple(row[:1] + row[2:]) for row in self.duckdb.execute(query.clause_query("duckdb")).fetchall()]
        second = self.postgres.execute(query.clause_query("postgres", now=MJDNOW)).fetchall()
        assert alike(first, second), f"{query.text}\nDuckDB: {first}\nPostgreSQL: {second}"
        return first


def alike(first: Sequence[tuple[Any, ...]], second: Sequence[tuple[Any, ...]]) -> bool:
    """Whether two results have equal rows, in any order."""
    return sorted(map(_key, first)) == sorted(map(_key, second))


def _key(row: Sequence[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(_cell(value) for value in row)


def _cell(value: Any) -> tuple[str, Any]:
    if value is None:
        return ("", 0)
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, float):
        # Both use the same C library; what follows its last digit may differ by the order of a sum.
        return ("float", f"{value:.11e}" if value else "0")
    return (type(value).__name__, value)


@pytest.fixture(scope="module")
def empty_engines(module_database_url: str) -> Iterator[Engines]:
    with psycopg.connect(module_database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        yield Engines(connection)


@pytest.fixture(scope="module")
def engines(empty_engines: Engines) -> Engines:
    """The same, for tests that fill them."""
    return empty_engines


ONE_OBJECT: dict[str, Any] = {
    "diaobjectid": 1, "ra": 150.0, "decl": 2.5, "ndiasources": 4, "g_psfflux": 1000.0, "r_psfflux": float("nan"),
    "i_psfflux": float("inf"), "z_psfflux": None, "u_psfflux": -3.0, "y_psfflux": 0.0, "tns_name": "2025abc",
    "lastdiasourcemjdtai": 60999.5, "firstdiasourcemjdtai": 60990.0, "latestpaircolourbands": "g-r",
}  # fmt: skip


@pytest.fixture(scope="module")
def evaluate(empty_engines: Engines) -> Callable[[str], Any]:
    """A function that gives the value of an expression for one object, equal in both engines."""
    empty_engines.fill({"objects": [ONE_OBJECT]})

    def value(expression: str) -> Any:
        ((_, found),) = empty_engines.run(f"SELECT {expression} AS x FROM objects")
        return found

    return value
