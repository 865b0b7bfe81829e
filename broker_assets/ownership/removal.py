"""An account goes with what it owns; what others rely on stays, without its name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import psycopg

from broker_assets.access import accounts
from broker_assets.access.accounts import User
from broker_assets.annotations.annotators import AnnotatorChange, change_annotator, remove_annotator
from broker_assets.delivery.names import private_prefix
from broker_assets.filters.store import remove_filter
from broker_assets.sky.lists import delete_list

Connection = psycopg.Connection[Any]

_OWN: Final = ("owner_messages", "owner_contacts", "change_feeds")
_TARGETS: Final = {"target": ("targets", "targetid"), "target_list": ("target_lists", "listid")}
"""Tables in the schema of accounts whose rows may be shared, and their keys."""
_NAMED: Final[dict[str, str]] = {
    "filter_versions": "saved_by", "filter_sinks": "owner", "annotator_history": "owner",
    "access.target_comments": "author", "access.spectrum_versions": "author",
}  # fmt: skip
"""Columns with the name of an owner in tables that are kept."""


def remove_account(connection: Connection, user: User, *, by: int | None = None) -> None:
    """Remove an account and what it owns.

    Filters, watchlists, areas, targets, spectra, queued SQL and private annotators are removed. Public annotators
    stay, switched off and without the owner's name, since objects and filters of others refer to what they said;
    requests for spectra stay with the number of the account.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        The account.
    by : int, optional
        Account that removes it; None for the command line.

    Raises
    ------
    BadAccount
        If it is the last administrator; nothing is removed.
    """
    owner, anonymous = user.username, f"removed-{user.userid}"
    with connection.transaction():
        # First of all, since it may be refused; the name is free again only with the end of the transaction.
        accounts.remove(connection, owner, by=by)
        for (number,) in _numbers(connection, "SELECT filterid FROM filters WHERE owner = %s", owner):
            remove_filter(connection, owner, number)
        for (number,) in _numbers(connection, "SELECT wl_id FROM watchlists WHERE owner = %s", owner):
            delete_list(connection, owner, "watchlist", number)
        for (number,) in _numbers(connection, "SELECT ar_id FROM areas WHERE owner = %s", owner):
            delete_list(connection, owner, "area", number)
        for topic, public in _numbers(connection, "SELECT topic, public FROM annotators WHERE owner = %s", owner):
            if public:
                change_annotator(connection, topic, replace(AnnotatorChange(), owner=anonymous, active=False))
            else:
                remove_annotator(connection, topic)
        connection.execute(
            "UPDATE filter_sinks SET active = false, removed_at = coalesce(removed_at, now()),"
            " target = CASE kind WHEN 'kafka' THEN target ELSE 'removed-' || sinkid END WHERE owner = %s",
            (owner,),
        )
        for kind, (table, key) in _TARGETS.items():
            connection.execute(
                f"DELETE FROM access.shares WHERE kind = %s AND identifier IN"  # noqa: S608
                f" (SELECT {key}::text FROM access.{table} WHERE owner = %s)",
                (kind, owner),
            )
            connection.execute(f"DELETE FROM access.{table} WHERE owner = %s", (owner,))  # noqa: S608
        for table in ("spectra", "calendar_events"):
            connection.execute(f"DELETE FROM access.{table} WHERE owner = %s", (owner,))  # noqa: S608
        # What is at a facility is cancelled there; the record of it stays, without the name.
        connection.execute(
            "UPDATE access.observations SET owner = %(anonymous)s, due = CASE WHEN state IN ('placed', 'asking')"
            " THEN now() END, state = CASE state WHEN 'placed' THEN 'cancelling' WHEN 'asking' THEN 'cancelling'"
            " WHEN 'waiting' THEN 'cancelled' ELSE state END WHERE owner = %(owner)s",
            {"anonymous": anonymous, "owner": owner},
        )
        connection.execute("DELETE FROM access.calendar_feeds WHERE userid = %s", (user.userid,))
        # Others may use the names of its facilities.
        connection.execute("DELETE FROM spectrum_facilities WHERE userid = %s", (user.userid,))
        # As if it had ended long ago: what is removed next are its results, with the row that names them.
        connection.execute(
            "UPDATE db_queryqueue SET finished = 'epoch', cancelled = cancelled OR finished IS NULL,"
            " error = error OR finished IS NULL, queries = '{}', subdicts = '{}' WHERE userid = %s",
            (user.userid,),
        )
        for table in _OWN:
            connection.execute(f"DELETE FROM {table} WHERE owner = %s", (owner,))  # noqa: S608
        for table, column in _NAMED.items():
            connection.execute(f"UPDATE {table} SET {column} = %s WHERE {column} = %s", (anonymous, owner))  # noqa: S608


def owns_something(connection: Connection, name: str) -> bool:
    """Whether something belongs to a name, whatever its case: nobody may take such a name by registering."""
    tables = ("filters", "watchlists", "areas", "annotators", "filter_sinks", "access.targets", "access.target_lists")
    parts = [f"EXISTS (SELECT FROM {table} WHERE lower(owner) = lower(%(name)s))" for table in tables]
    # Topics outlive the account that wrote to them.
    parts.append("EXISTS (SELECT FROM filter_sinks WHERE starts_with(lower(target), lower(%(topics)s)))")
    values = {"name": name, "topics": private_prefix(name)}
    row = connection.execute(f"SELECT {' OR '.join(parts)}", values).fetchone()  # type: ignore[call-overload]
    return row is not None and bool(row[0])


def _numbers(connection: Connection, query: str, owner: str) -> list[tuple[Any, ...]]:
    return connection.execute(query, (owner,)).fetchall()  # type: ignore[call-overload, no-any-return]
