"""Links by e-mail."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, mailed_links, sessions
from broker_assets.access.mailed_links import BadLink, TooManyLinks
from broker_assets.access.passwords import BadPassword

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]


@pytest.fixture
def ann(connection: Connection) -> accounts.User:
    return accounts.add(connection, "ann", "correct horse", email="ann@example.org")


def test_a_link_sets_the_password_once(connection: Connection, ann: accounts.User) -> None:
    cookie, _ = sessions.begin(connection, ann)
    first, second = (mailed_links.ask(connection, "password", given, "::1")[0] for given in ("ANN", "Ann@Example.org"))
    assert len({first.secret, second.secret}) == 2
    assert mailed_links.find(connection, "password", first.secret) == ann
    with pytest.raises(BadPassword):
        mailed_links.set_password(connection, "password", first.secret, "short")
    mailed_links.set_password(connection, "password", first.secret, "battery staple")
    assert accounts.log_in(connection, "ann", "battery staple", "::1").username == "ann"
    assert sessions.find(connection, cookie) is None
    for link in (first, second):
        with pytest.raises(BadLink):
            mailed_links.set_password(connection, "password", link.secret, "battery staple")


def test_what_is_stored_opens_nothing(connection: Connection, ann: accounts.User) -> None:
    (link,) = mailed_links.ask(connection, "password", "ann", "::1")
    (stored,) = connection.execute("SELECT sha256 FROM access.mailed_links").fetchone() or ("",)
    for secret in (stored, "", "x" * 43, link.secret[:-1], link.secret + " ", f"{link.secret}' OR true --"):
        with pytest.raises(BadLink):
            mailed_links.find(connection, "password", secret)
    with pytest.raises(BadLink):
        mailed_links.find(connection, "activation", link.secret)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE access.mailed_links SET date_expires = now()",
        "UPDATE access.users SET active = false",
        "UPDATE access.users SET date_removed = now()",
    ],
)
def test_it_ends(connection: Connection, ann: accounts.User, change: str) -> None:
    (link,) = mailed_links.ask(connection, "password", "ann", "::1")
    connection.execute(change)
    with pytest.raises(BadLink):
        mailed_links.find(connection, "password", link.secret)


def test_nobody_is_sent_many_and_no_address_asks_for_many(connection: Connection, ann: accounts.User) -> None:
    accounts.add(connection, "visitor", "correct horse", email="visitor@example.org", roles=["guest"])
    accounts.add(connection, "silent", "correct horse")
    asked = [mailed_links.ask(connection, "password", "ann", "10.0.0.1") for _ in range(mailed_links.BY_ACCOUNT + 1)]
    assert [len(links) for links in asked] == [1] * mailed_links.BY_ACCOUNT + [0]
    for name in ("nobody", "visitor", "silent", "", "%", "ann' OR true --"):
        assert mailed_links.ask(connection, "password", name, "10.0.0.2") == []
    for _ in range(mailed_links.BY_ADDRESS - 6):
        mailed_links.ask(connection, "password", "nobody", "10.0.0.2")
    with pytest.raises(TooManyLinks):
        mailed_links.ask(connection, "password", "nobody", "10.0.0.2")


def test_an_account_is_activated_by_its_link_and_never_again(connection: Connection) -> None:
    bob = accounts.add_with_hash(connection, "bob", "", email="bob@example.org", active=False)
    link = mailed_links.make(connection, "activation", bob, "::1")
    assert not mailed_links.has_password(connection, bob)
    mailed_links.set_password(connection, "activation", link.secret, "correct horse")
    bob = accounts.log_in(connection, "bob", "correct horse", "::1")
    accounts.update(connection, "bob", active=False)
    assert mailed_links.ask(connection, "activation", "bob", "::1") == []  # an administrator switched it off
    carl = accounts.add(connection, "carl", "correct horse", email="carl@example.org")
    accounts.update(connection, "carl", active=False)
    link = mailed_links.make(connection, "activation", carl, "::1")
    assert mailed_links.activate(connection, link.secret).active
