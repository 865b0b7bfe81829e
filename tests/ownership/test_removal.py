"""An account is removed with what it owns, and leaves no name."""

from __future__ import annotations

import pytest
from owned_things import own_something, owned

from broker_assets.access import accounts
from broker_assets.access.accounts import BadAccount
from broker_assets.database import engine
from broker_assets.ownership.removal import owns_something, remove_account
from broker_assets.tom.queries import queue

pytestmark = pytest.mark.database


def test_what_is_private_goes_and_what_others_rely_on_has_no_name(module_database_url: str) -> None:
    with engine.connect(module_database_url, autocommit=True) as connection:
        ann = own_something(connection, "ann")
        accounts.update(connection, "ann", roles=["operator"], by=ann.userid)
        own_something(connection, "bob")
        assert owns_something(connection, "ANN")
        remove_account(connection, ann, by=ann.userid)
        assert set(owned(connection, "ann").values()) == {0}
        assert owned(connection, "bob")["filters"] == 1
        assert not owns_something(connection, "ann")
        kept = connection.execute("SELECT topic, owner, active FROM annotators WHERE topic LIKE 'ann%'").fetchall()
        assert kept == [("ann_public", f"removed-{ann.userid}", False)]
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema IN ('public', 'access')"
        ).fetchall()
        for schema, table in tables:
            (found,) = connection.execute(  # a word of its own: 'annotators' has the name in it
                f"SELECT count(*) FROM {schema}.{table} AS row WHERE row::text ~ '\\mann(@|\\M)'"
                " AND NOT row::text ~ 'public\\.ann\\.'"
            ).fetchone() or (None,)
            assert found == 0, f"{table} has the name of a removed account"
        # No run takes its SQL, and the next one that removes old results removes what there is of it.
        taken = [queue.take(connection) for _ in range(2)]
        assert [query and query.queries for query in taken] == [["SELECT 'bob'"], None]
        assert [query.state for query in queue.expired(connection, 30)] == ["error"]


def test_a_name_that_owns_topics_stays_taken(module_database_url: str) -> None:
    with engine.connect(module_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO filter_sinks (filterid, owner, name, kind, target)"
            " VALUES (99, 'removed-9', 'x', 'kafka', 'private.carl.x')"
        )
        assert owns_something(connection, "Carl")
        assert not owns_something(connection, "car")


def test_the_last_administrator_and_its_things_stay(module_database_url: str) -> None:
    with engine.connect(module_database_url, autocommit=True) as connection:
        user = own_something(connection, "root")
        user = accounts.update(connection, "root", roles=["administrator"])
        with pytest.raises(BadAccount, match="last administrator"):
            remove_account(connection, user)
        assert owned(connection, "root")["filters"] == 1
