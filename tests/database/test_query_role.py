"""What the SQL of a user sees is decided by the server: private rows of others, and accounts, are out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from broker_assets.access import accounts, sharing
from broker_assets.annotations.annotators import add_annotator
from broker_assets.database import engine
from broker_assets.database.query_role import OBSERVATIONS, PUBLISHED, QueryRoleMissingError, as_user
from broker_assets.database.reader import create_reader
from broker_assets.filters.interactive import run
from broker_assets.filters.query import Form, check
from broker_assets.filters.registry import UnknownFilter, get_filter, unreadable
from broker_assets.filters.schema import TABLES
from broker_assets.filters.store import create_filter

pytestmark = pytest.mark.database
RIGHTS = (psycopg.errors.InsufficientPrivilege,)


@pytest.fixture(scope="module")
def reader_url(module_database_url: str) -> str:
    """Two accounts, each with a private list, area, filter and annotator that say something of object 7."""
    owner = make_url(module_database_url)
    with engine.connect(module_database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey, night) VALUES (7, 1, '2026-01-01')")
        for number, name in enumerate(("ann", "bob"), start=1):
            accounts.add(connection, name, None)
            connection.execute(
                "INSERT INTO watchlists (wl_id, owner, name, radius) OVERRIDING SYSTEM VALUE VALUES (%s, %s, 'own', 5)",
                (number, name),
            )
            connection.execute(
                "INSERT INTO areas (ar_id, owner, name, moc, moc_version, square_degrees) OVERRIDING SYSTEM VALUE"
                " VALUES (%s, %s, 'own', '', '', 1)",
                (number, name),
            )
            connection.execute(
                "INSERT INTO watchlist_hits (wl_id, cone_id, diaobjectid, arcsec, name) VALUES (%s, %s, 7, 1, %s)",
                (number, number, name),
            )
            connection.execute("INSERT INTO area_hits (ar_id, diaobjectid) VALUES (%s, 7)", (number,))
            add_annotator(connection, f"of_{name}", name)
            connection.execute(
                "INSERT INTO annotations (annotationid, diaobjectid, topic, classification, content, revision,"
                " ingestid) VALUES (%s, 7, %s, 'SN', 'x', 1, 1)",
                (number, f"of_{name}"),
            )
            create_filter(connection, name, "own", Form("objects.diaObjectId", "objects", ""))
    url = owner.set(username=f"reader_{owner.database}"[:60], password="secret")
    create_reader(owner, url)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def connection(reader_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(reader_url, autocommit=True) as opened:
        yield opened


OWN = {
    "watchlists": "owner",
    "areas": "owner",
    "filters": "owner",
    "annotators": "owner",
    "watchlist_hits": "name",
    "area_hits": "CASE ar_id WHEN 1 THEN 'ann' ELSE 'bob' END",
    "annotations": "substr(topic, 4)",
}


@pytest.mark.parametrize("table", OWN)
def test_rows_of_others_do_not_exist(connection: psycopg.Connection[Any], table: str) -> None:
    query = f"SELECT DISTINCT {OWN[table]} FROM {table} ORDER BY 1"
    assert connection.execute(query).fetchall() == [("ann",), ("bob",)]
    for name in ("ann", "bob"):
        with connection.transaction(), as_user(connection, name):
            assert connection.execute(query).fetchall() == [(name,)]
    with connection.transaction(), as_user(connection, "ann'; SET ROLE none; --"):
        assert connection.execute(query).fetchall() == []
    assert connection.execute(query).fetchall() == [("ann",), ("bob",)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM access.users",
        "SELECT * FROM access.tokens",
        "SELECT * FROM filter_versions",
        "SELECT * FROM filter_matches",
        "SELECT * FROM owner_contacts",
        "SELECT * FROM watchlist_cones",
        "SELECT * FROM deliveries",
        "SELECT * FROM pg_authid",
        "SELECT set_config('role', 'none', true)",
        "SELECT set_config('broker.user', 'bob', true)",
        "UPDATE pg_settings SET setting = 'none' WHERE name = 'role'",
        "SELECT shared_with('watchlist', 'bob')",
        "SELECT pg_read_file('/etc/passwd')",
        "UPDATE watchlists SET public = true",
        "COPY objects TO PROGRAM 'true'",
        "CREATE TEMPORARY TABLE mine (a int)",
    ],
)
def test_a_statement_reaches_nothing_else(connection: psycopg.Connection[Any], statement: str) -> None:
    with (
        pytest.raises((*RIGHTS, psycopg.errors.ReadOnlySqlTransaction)),
        connection.transaction(),
        as_user(connection, "ann"),
    ):
        connection.execute(statement)
    assert connection.execute("SELECT current_user = session_user").fetchone() == (True,)


def test_every_published_table_can_be_read_and_no_other(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction(), as_user(connection, "ann"):
        for table in TABLES.values():
            connection.execute(f"SELECT count(*) FROM {table.postgres} AS published")  # type: ignore[call-overload]
        found = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'v', 'p', 'm') AND has_table_privilege(oid, 'SELECT') ORDER BY relname"
        ).fetchall()
    assert [name for (name,) in found] == sorted([*PUBLISHED, OBSERVATIONS])


def test_the_interactive_path_of_filters_sees_what_its_user_may(connection: psycopg.Connection[Any]) -> None:
    """Even for a statement that the check of the language has let through by mistake."""
    ask = check(Form("objects.diaObjectId, watchlist_hits.arcsec", "objects, watchlist:2", ""))
    assert unreadable(connection, "ann", ask) == ["watchlist 2"]
    for name, rows in (("ann", 0), ("bob", 1)):
        assert len(run(connection, ask, limit=10, seconds=5, viewer=name).rows) == rows
    assert len(run(connection, ask, limit=10, seconds=5).rows) == 1


def test_what_is_shared_with_a_group_is_seen_by_its_members(
    connection: psycopg.Connection[Any], module_database_url: str
) -> None:
    ask = check(Form("objects.diaObjectId, watchlist_hits.arcsec", "objects, watchlist:2", ""))
    filterid = connection.execute("SELECT filterid FROM filters WHERE owner = 'bob'").fetchall()[0][0]
    with engine.connect(module_database_url, autocommit=True) as writing:
        ann, bob = accounts.get(writing, "ann"), accounts.get(writing, "bob")
        accounts.join(writing, bob.userid, ["AGN"])
        sharing.share(writing, bob, "watchlist", "2", ["AGN"])
        sharing.share(writing, bob, "filter", str(filterid), ["AGN"])
        assert unreadable(connection, "ann", ask) == ["watchlist 2"]
        with pytest.raises(UnknownFilter):
            get_filter(connection, filterid, viewer="ann")
        accounts.join(writing, ann.userid, ["AGN"])
        assert unreadable(connection, "ann", ask) == []
        assert get_filter(connection, filterid, viewer="ann").owner == "bob"
        assert len(run(connection, ask, limit=10, seconds=5, viewer="ann").rows) == 1
        sharing.share(writing, bob, "watchlist", "2", [])
        assert unreadable(connection, "ann", ask) == ["watchlist 2"]
        assert run(connection, ask, limit=10, seconds=5, viewer="ann").rows == []


def test_without_the_role_nothing_runs_that_nobody_checked(reader_url: str, module_database_url: str) -> None:
    """A reader that was never given the role, as one that somebody made by hand."""
    name = "by_hand_" + str(make_url(module_database_url).database)
    with engine.connect(module_database_url, autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "{name}" LOGIN')
        connection.execute(f'GRANT SELECT ON watchlists TO "{name}"')
    with engine.connect(make_url(module_database_url).set(username=name), autocommit=True) as connection:
        with pytest.raises(QueryRoleMissingError), connection.transaction(), as_user(connection, "ann"):
            connection.execute("SELECT * FROM watchlists")
        with connection.transaction(), as_user(connection, "ann", required=False):
            assert len(connection.execute("SELECT * FROM watchlists").fetchall()) == 2
