"""Accounts as a document."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, transfer
from broker_assets.access.accounts import BadAccount, WrongPassword

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]
KEY = base64.b64encode(hashlib.pbkdf2_hmac("sha256", b"testing", b"salt", 1000)).decode()
DJANGO = f"pbkdf2_sha256$1000$salt${KEY}"


def test_accounts_of_django_keep_identifiers_and_passwords(connection: Connection) -> None:
    dump = [
        {"model": "auth.group", "pk": 1, "fields": {"name": "Public"}},
        {"model": "auth.user", "pk": 17, "fields": {"username": "root", "password": DJANGO, "is_superuser": True}},
        {"model": "auth.user", "pk": 23, "fields": {"username": "apibroker", "password": "!unusable", "groups": [2]}},
        {"model": "auth.user", "pk": 24, "fields": {"username": "old", "password": "md5$a$b"}},
    ]  # fmt: skip
    done = transfer.take_over(connection, dump)
    assert [(user.userid, user.username) for user in done.added] == [(17, "root"), (23, "apibroker")]
    assert done.refused == {"old": "the hash of the password is neither argon2id nor pbkdf2_sha256"}
    assert accounts.get(connection, "root").administers
    # short passwords of before stay as they are: they are recognised, and hashed again only if they may be
    assert accounts.log_in(connection, "root", "testing", "::1").userid == 17
    with pytest.raises(WrongPassword):
        accounts.log_in(connection, "apibroker", "!unusable", "::1")
    assert accounts.add(connection, "new", "correct horse").userid == 24


def test_a_long_password_of_django_is_hashed_anew_at_the_first_log_in(connection: Connection) -> None:
    key = base64.b64encode(hashlib.pbkdf2_hmac("sha256", b"correct horse", b"salt", 1000)).decode()
    transfer.take_over(connection, [{"username": "ann", "password": f"pbkdf2_sha256$1000$salt${key}"}])
    for _ in range(2):
        assert accounts.log_in(connection, "ann", "correct horse", "::1").username == "ann"
    row = connection.execute("SELECT password FROM access.users").fetchone()
    assert row is not None
    assert row[0].startswith("$argon2id$")


@pytest.mark.parametrize(
    "joined",
    ["2020-05-05T01:02:03Z", "2020-05-05 01:02:03+00", "2020-05-05 01:02:03.000000", "2020-05-05T03:02:03+02:00"],
)
def test_accounts_keep_when_they_were_made(connection: Connection, joined: str) -> None:
    [user] = transfer.take_over(connection, [{"username": "ann", "date_joined": joined}]).added
    assert user.date_joined == datetime.datetime(2020, 5, 5, 1, 2, 3, tzinfo=datetime.UTC)
    [row] = transfer.export(connection)
    connection.execute("DELETE FROM access.users")
    [again] = transfer.take_over(connection, [row | {"id": None}]).added
    assert again.date_joined == user.date_joined
    unknown = [{"username": name, "date_joined": text} for name, text in (("x", None), ("y", "0000-00-00 00:00:00"))]
    wrong = {"username": "z", "date_joined": "lately"}
    done = transfer.take_over(connection, [*unknown, wrong])
    assert [user.date_joined.year >= 2026 for user in done.added] == [True, True]
    assert done.refused == {"z": "date_joined: 'lately' is not a time in ISO 8601"}


def test_what_is_exported_is_imported_elsewhere(connection: Connection) -> None:
    user = accounts.add(connection, "ann", "correct horse", email="a@example.org", roles=["operator"])
    accounts.join(connection, user.userid, ["AGN"])
    document = json.loads(json.dumps(transfer.export(connection)))
    connection.execute("TRUNCATE access.users, access.groups, access.memberships")
    done = transfer.take_over(connection, document)
    assert done.refused == {}
    again = accounts.log_in(connection, "ann", "correct horse", "::1")
    assert (again.userid, again.email, again.roles) == (user.userid, "a@example.org", frozenset({"operator"}))
    assert accounts.groups_of(connection, again.userid) == ["AGN", "Public"]
    assert transfer.take_over(connection, document).refused == {
        "ann": f"another account has the identifier {user.userid}"
    }
    document[0] |= {"id": None}
    assert transfer.take_over(connection, document).refused == {"ann": "an account named ann exists"}


@pytest.mark.parametrize("document", [{}, "x", None])
def test_a_document_that_is_no_list(connection: Connection, document: Any) -> None:
    with pytest.raises(BadAccount, match="list"):
        transfer.take_over(connection, document)


@pytest.mark.parametrize(
    "row",
    [
        {},
        5,
        None,
        {"username": "a b"},
        {"username": "ann", "id": "7"},
        {"username": "ann", "id": True},
        {"username": "ann", "password": 5},
    ],
)
def test_a_row_that_cannot_be_an_account_is_named(connection: Connection, row: Any) -> None:
    done = transfer.take_over(connection, [row, {"username": "bob"}])
    assert [user.username for user in done.added] == ["bob"]
    assert len(done.refused) == 1
