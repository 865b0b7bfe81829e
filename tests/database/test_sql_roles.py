"""Users' SQL reads what it may and nothing else, whatever it tries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from astropy.coordinates import angular_separation
from sqlalchemy.engine import make_url

from broker_assets.access import accounts
from broker_assets.database import engine
from broker_assets.database.sql_roles import ADMINISTRATORS, EVERYBODY, set_passwords, sql_url

pytestmark = pytest.mark.database

REFUSED = (
    "SELECT * FROM access.users",
    "SELECT * FROM access.sessions",
    "SELECT * FROM access.tokens",
    "SELECT * FROM db_queryqueue",
    "SELECT * FROM watchlists",
    "SELECT * FROM annotations",
    "SELECT * FROM filters",
    "SELECT * FROM owner_contacts",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_stat_activity",
    "SELECT pg_stat_get_backend_activity(1)",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_terminate_backend(1)",
    "SELECT lo_create(0)",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT set_config('role', 'postgres', false)",
    "SET ROLE broker_users",
    "SET SESSION AUTHORIZATION postgres",
    "SET temp_file_limit = -1",
    "RESET ROLE; SELECT * FROM access.users",
    "COPY objects TO PROGRAM 'true'",
    "COPY objects TO '/tmp/objects'",
    "CREATE TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "INSERT INTO elasticc2_brokerclassifier (brokername, classifiername) VALUES ('a', 'b')",
    "UPDATE objects SET ra = 1",
    "DELETE FROM elasticc2_brokermessage",
    "ALTER ROLE CURRENT_USER SUPERUSER",
)


@pytest.fixture(scope="module")
def everybody(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url, autocommit=True) as connection:
        accounts.add(connection, "anna", None)
    url = sql_url(module_database_url, None, admin=False)
    assert url is not None
    with engine.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def admin(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    url = sql_url(module_database_url, None, admin=True)
    assert url is not None
    with engine.connect(url, autocommit=True) as connection:
        yield connection


def readable(connection: psycopg.Connection[Any]) -> set[str]:
    rows = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema NOT LIKE 'pg%'"
                              " AND table_schema <> 'information_schema'")  # fmt: skip
    return {row[0] for row in rows}


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_refused_to_everybody(
    everybody: psycopg.Connection[Any], admin: psycopg.Connection[Any], statement: str
) -> None:
    for connection in (everybody, admin):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[arg-type]


def test_information_schema_lists_what_a_role_reads(
    everybody: psycopg.Connection[Any], admin: psycopg.Connection[Any]
) -> None:
    small, large = readable(everybody), readable(admin)
    assert {
        "objects",
        "diasources",
        "taxonomy_classes",
        "elasticc2_brokermessage",
        "elasticc2_brokerclassifier",
    } <= small
    assert not {name for name in small if name.startswith("elasticc") and "broker" not in name}
    assert {"elasticc2_diaobjecttruth", "elasticc2_ppdbdiasource", "elasticc2_diaobject"} <= large - small
    assert {"authuser", "passwordlink", "query_queue", "ppdb_diaobject", "ppdb_alerts_sent"} <= large - small
    assert not {name for name in large if name[-1].isdigit()}, "partitions are not listed"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        everybody.execute("SELECT * FROM elasticc2_diaobjecttruth")
    assert admin.execute("SELECT count(*) FROM elasticc2_diaobjecttruth").fetchall() == [(0,)]


def test_temporary_tables_are_allowed(everybody: psycopg.Connection[Any]) -> None:
    everybody.execute("CREATE TEMP TABLE mine AS SELECT * FROM elasticc2_brokerclassifier")
    everybody.execute("INSERT INTO mine (classifier_id) VALUES (1)")
    assert everybody.execute("SELECT classifier_id FROM pg_temp.mine").fetchall() == [(1,)]


def test_positions_are_searched_with_the_functions_of_q3c(everybody: psycopg.Connection[Any]) -> None:
    rng = np.random.default_rng(8)
    ra, dec = rng.uniform(0, 360, (2, 200)), np.degrees(np.arcsin(rng.uniform(-1, 1, (2, 200))))
    # Near neighbours, also across the meridian; a pole; the opposite point.
    ra[1, :100], dec[1, :100] = (ra[0, :100] + rng.normal(0, 1e-3, 100)) % 360, np.clip(dec[0, :100] + 1e-3, -90, 90)
    ra[:, 0], dec[:, 0], dec[:, 1] = (359.9999, 0.0001), (10, 10), (90, 89.5)
    ra[:, 2], dec[:, 2] = (10, 190), (20, -20)
    known = np.degrees(angular_separation(*np.radians([ra[0], dec[0], ra[1], dec[1]])))
    everybody.execute("CREATE TEMP TABLE pairs (ra1 float8, dec1 float8, ra2 float8, dec2 float8)")
    with everybody.cursor().copy("COPY pairs FROM STDIN") as copy:
        for row in zip(ra[0], dec[0], ra[1], dec[1], strict=True):
            copy.write_row([float(value) for value in row])
    columns = "ra1, dec1, ra2, dec2"
    found = everybody.execute(
        f"SELECT q3c_dist({columns}), q3c_radial_query({columns}, 0.002), q3c_join({columns}, 40) FROM pairs"
    ).fetchall()
    distances = np.array([row[0] for row in found])
    np.testing.assert_allclose(distances, known, rtol=1e-9, atol=1e-11)
    assert [row[1] for row in found] == list(known < 0.002)
    assert [row[2] for row in found] == list(known < 40)
    assert 0 < sum(known < 0.002) < 200
    one = "SELECT q3c_radial_query(NULL, 1, 1, 1, 1), q3c_radial_query(10, 20, 10, 20, 1), q3c_dist(0.5::real, 0, 1, 0)"
    assert everybody.execute(one).fetchone() == (None, True, pytest.approx(0.5))
    wide = "SELECT q3c_radial_query(10, 20, 189, -20, 190), q3c_radial_query(10, 20, 190, 0, -1)"
    assert everybody.execute(wide).fetchone() == (True, False)


SEARCHED = (
    ("objects", "ra", "decl"),
    ("elasticc2_diaobject", "ra", "decl"),
    ("diaobject_position", "ra", "dec"),
    ("root_diaobject", "ra", "dec"),
    ("host_galaxy", "ra", "dec"),
    ("crossmatch_tns", "ra", "decl"),
    ("ppdb_diaobject", "ra", "dec"),
    ("elasticc2_ppdbdiaobject", "ra", "decl"),
    ("elasticc2_ppdbdiasource", "ra", "decl"),
    ("elasticc2_trainingdiaobject", "ra", "decl"),
    ("elasticc2_trainingdiasource", "ra", "decl"),
    ("elasticc_diaobject", "ra", "decl"),
    ("elasticc_diasource", "ra", "decl"),
)
"""Tables that users search by position, and their columns."""


@pytest.mark.parametrize(("table", "ra", "dec"), SEARCHED)
@pytest.mark.parametrize(
    "where",
    [
        "{table} AS sky WHERE q3c_radial_query(sky.{ra}, sky.{dec}, 62.5, -35.5, 0.001)",
        "mine, {table} AS sky WHERE q3c_join(mine.ra, mine.dec, sky.{ra}, sky.{dec}, 0.001)",
        "mine, {table} AS sky WHERE q3c_join(sky.{ra}, sky.{dec}, mine.ra, mine.dec, 0.001)",
        "mine, {table} AS sky WHERE q3c_radial_query(sky.{ra}, sky.{dec}, mine.ra, mine.dec, 0.001)",
    ],
)
def test_searches_by_position_use_the_index_of_declinations(
    admin: psycopg.Connection[Any], table: str, ra: str, dec: str, where: str
) -> None:
    with admin.transaction():
        # Tables are empty here, where reading them whole costs nothing.
        admin.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        admin.execute("CREATE TEMP TABLE mine (ra float8, dec float8) ON COMMIT DROP")
        query = f"EXPLAIN (COSTS OFF) SELECT count(*) FROM {where.format(table=table, ra=ra, dec=dec)}"
        plan = "\n".join(row[0] for row in admin.execute(query))  # type: ignore[arg-type]
    condition = next((line for line in plan.splitlines() if "Index Cond" in line and dec in line), "")
    assert (">=" in condition, "<=" in condition) == (True, True), plan


def test_what_is_shared_with_another_account_is_not_shown(
    module_database_url: str, everybody: psycopg.Connection[Any], admin: psycopg.Connection[Any]
) -> None:
    seen = "SET LOCAL \"broker.user\" = 'anna'; SELECT shared_with_me('filter')"
    with engine.connect(module_database_url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO access.shares SELECT 'filter', '7', groupid FROM access.groups WHERE name = 'Public'"
        )
        for connection, shown in ((owner, [("7",)]), (everybody, []), (admin, [])):
            with connection.transaction():
                cursor = connection.execute(seen)  # type: ignore[arg-type]
                cursor.nextset()
                assert cursor.fetchall() == shown


def test_the_owner_keeps_what_is_closed_to_others(module_database_url: str) -> None:
    with engine.connect(module_database_url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM pg_stat_activity").fetchone() != (0,)
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        found = connection.execute(
            "SELECT rolname, rolcanlogin, rolconnlimit, array_to_string(rolconfig, ' ') FROM pg_roles"
            " WHERE rolname LIKE 'postgres\\_elasticc%' ORDER BY rolname"
        ).fetchall()
    limits = "temp_file_limit=8GB work_mem=64MB lock_timeout=10s"
    assert found == [(ADMINISTRATORS, True, 32, limits), (EVERYBODY, True, 32, limits)]


def test_a_password_is_set_where_the_server_asks_for_one(module_database_url: str) -> None:
    set_passwords(module_database_url, "pass'word")
    with engine.connect(module_database_url) as connection:
        rows = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname LIKE 'postgres\\_elasticc%'")
        assert all(str(row[0]).startswith("SCRAM-SHA-256$") for row in rows)
    url = sql_url("postgresql+psycopg://owner:secret@db.example:5433/broker?sslmode=require", "pass'word", admin=True)
    assert make_url(str(url)).password == "pass'word"
    assert make_url(str(url)).username == ADMINISTRATORS
    assert str(url).endswith("@db.example:5433/broker?sslmode=require")
