"""The role for accounts."""

from __future__ import annotations

import psycopg
import pytest
from owned_things import own_something
from sqlalchemy.engine import make_url

from broker_assets.access import accounts
from broker_assets.annotations.annotators import add_annotator
from broker_assets.database import engine
from broker_assets.database.access_role import create_access_role
from broker_assets.database.reader import create_reader
from broker_assets.ownership import belongings
from broker_assets.ownership.removal import remove_account
from broker_assets.stream.annotation_followup import annotate

pytestmark = pytest.mark.database


@pytest.fixture
def urls(database_url: str) -> tuple[str, str]:
    owner = make_url(database_url)
    found = []
    for name, create in (("accounts", create_access_role), ("onlooker", create_reader)):
        url = owner.set(username=f"{name}_{owner.database}"[:60], password="secret")
        create(database_url, url)
        found.append(url.render_as_string(hide_password=False))
    return found[0], found[1]


def test_it_reads_and_writes_accounts_and_little_else(urls: tuple[str, str]) -> None:
    with engine.connect(urls[0], autocommit=True) as connection:
        accounts.add(connection, "ann", "correct horse")
        assert accounts.log_in(connection, "ann", "correct horse", "::1").username == "ann"
        for statement in (
            "SELECT * FROM diasources",
            "DELETE FROM objects",
            "UPDATE ingest_batch_facts SET rows = 0",
            "SELECT * FROM quarantine",
            "CREATE TABLE access.mine (a int)",
            "CREATE TABLE public.mine (a int)",
            "DROP TABLE access.users",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_it_annotates_objects(urls: tuple[str, str], database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey, night) VALUES (7, 1, '2026-01-01')")
        add_annotator(connection, "finder", "ann")
    with engine.connect(urls[0], autocommit=True) as connection:
        for classification in ("SN", "AGN"):
            said = {"topic": "finder", "diaObjectId": 7, "classification": classification}
            assert annotate(connection, "ann", [said]).outcomes == ["stored"]
        assert connection.execute("SELECT classification FROM annotations").fetchall() == [("AGN",)]


def test_an_account_goes_with_what_it_owns(urls: tuple[str, str], database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        ann = own_something(connection, "ann")
    with engine.connect(urls[0], autocommit=True) as connection:
        assert len(belongings.export(connection, ann)["watchlists"]) == 1
        remove_account(connection, ann)
        assert set(belongings.count(connection, "ann").values()) == {0}


def test_the_role_that_reads_everything_does_not_see_accounts(urls: tuple[str, str]) -> None:
    with engine.connect(urls[1], autocommit=True) as connection:
        for statement in ("SELECT * FROM access.users", "SELECT * FROM access.tokens", "TABLE access.changes"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_it_is_not_the_owner(database_url: str) -> None:
    with pytest.raises(ValueError, match="other than"):
        create_access_role(database_url, database_url)
