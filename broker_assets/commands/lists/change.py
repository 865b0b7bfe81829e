"""Finds the list that a command works on, and waits until the running platform has applied a change."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from broker_assets.commands.lists.options import account
from broker_assets.commands.lists.tables import count, one_line
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    import psycopg

    from broker_assets.sky.lists import Kind
    from broker_assets.sky.overview import Summary
    from broker_assets.sky.watchlists import BadLine

POLL_SECONDS = 0.5


class NotYours(PermissionError):
    """The list belongs to another account."""


class NotMatchedInTime(TimeoutError):
    """The platform has not matched the list within the time that was given."""


class DatabaseNotReady(LookupError):
    """The database has no tables yet."""


@contextlib.contextmanager
def open_database() -> Iterator[Any]:
    """Open a connection on which each change is one transaction.

    Raises
    ------
    DatabaseNotReady
        If the tables are missing.
    """
    import psycopg

    from broker_assets.commands.status import database

    with database(load_settings()) as connection:
        connection.autocommit = True
        try:
            yield connection
        except psycopg.errors.UndefinedTable as error:
            raise DatabaseNotReady(
                f"the database has no lists yet ({error.diag.message_primary}); `broker-assets database "
                "upgrade` creates its tables"
            ) from None


def find(connection: psycopg.Connection[Any], kind: Kind, which: str, owner: str | None) -> Summary:
    """The list with a number, of any owner, or with a name that its owner gave it.

    Raises
    ------
    UnknownList
        If there is none.
    """
    from broker_assets.sky.lists import UnknownList
    from broker_assets.sky.overview import summary

    number = int(which) if which.isascii() and which.isdigit() and int(which) < 2**63 else None
    try:
        if number is not None:
            return summary(connection, kind, number, owner="")
        return summary(connection, kind, which, owner=account(owner))
    except UnknownList as error:
        raise UnknownList(f"{error}; `broker-assets {kind}s list` shows all") from None


def to_change(connection: psycopg.Connection[Any], kind: Kind, which: str, owner: str | None) -> Summary:
    """The list that is to be changed.

    Raises
    ------
    UnknownList, NotYours
        If there is none, or it belongs to an owner other than the given one, or to the platform.
    """
    from broker_assets.sky.overview import PLATFORM_OWNER

    found = find(connection, kind, which, owner)
    if found.owner == PLATFORM_OWNER:
        raise NotYours(
            f"{kind} {found.id} ({found.name}) is kept up to date by the platform and cannot be changed here"
        )
    if found.owner != account(owner):
        raise NotYours(
            f"{kind} {found.id} ({found.name}) belongs to {found.owner}; add --owner {found.owner} to change it"
        )
    return found


def remove_list(kind: Kind, which: str, owner: str | None, *, asked: bool) -> None:
    """Remove a list with its hits; with `asked`, after a confirmation."""
    from broker_assets.sky.lists import delete_list

    with open_database() as connection:
        found = to_change(connection, kind, which, owner)
        if asked:
            typer.confirm(f"{one_line(found)}; {count(found.hits, 'hit')}. Remove it with its hits?", abort=True)
        delete_list(connection, found.owner, kind, found.id)
    say(
        f"{kind.capitalize()} {found.id} ({found.name}) is removed with its hits; its files go within about half a "
        "minute."
    )


def new_owner(owner: str | None) -> str:
    """The owner of a new list."""
    from broker_assets.sky.overview import PLATFORM_OWNER

    found = account(owner)
    if found == PLATFORM_OWNER:
        raise typer.BadParameter(f"{PLATFORM_OWNER} is the platform itself", param_hint="--owner")
    return found


def finish(
    connection: psycopg.Connection[Any],
    kind: Kind,
    identifier: int,
    *,
    wait: bool,
    timeout: float,
    as_json: bool,
    left_out: Sequence[BadLine] = (),
) -> None:
    """Show a list that was added or changed, and when the change takes effect.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode.
    kind, identifier : Kind, int
        Kind and number of the list.
    wait : bool
        Wait until past objects have been matched.
    timeout : float
        Longest wait, seconds.
    as_json : bool
        Show one JSON document, after waiting.
    left_out : sequence of BadLine
        Lines of its file that were not loaded.

    Raises
    ------
    NotMatchedInTime
        If it takes longer.
    """
    from broker_assets.sky.overview import summary

    found = summary(connection, kind, identifier, owner="")
    if not as_json:
        say(one_line(found))
    deadline = time.monotonic() + timeout
    while wait and found.behind:
        if time.monotonic() >= deadline:
            raise NotMatchedInTime(
                f"the change is stored, but the hits of {kind} {identifier} have not been brought up to date within "
                f"{timeout:g} s; is the platform running? `broker-assets status` shows it"
            )
        time.sleep(POLL_SECONDS)
        found = summary(connection, kind, identifier, owner="")
    if as_json:
        lines = [{"line": line.line, "text": line.text, "reason": line.reason} for line in left_out]
        echo(json.dumps({**found.model_dump(mode="json"), "left_out": lines}, indent=1))
    elif found.behind:
        say(
            f"A running platform applies this within about half a minute: `broker-assets {kind}s show {identifier}` "
            "shows when, and how many hits there are."
        )
    elif found.state == "matched":
        say(f"Matched with past objects: {count(found.hits, 'hit')}.")
    else:
        say(f"It is {found.state}: it is not matched and has no hits.")


def say(text: str) -> None:
    """Print a line to standard output, unchanged."""
    terminal().print(escape(text), highlight=False)
