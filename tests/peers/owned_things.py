"""An account that owns one thing of each kind."""

from __future__ import annotations

from typing import Any

import psycopg
from mocpy import MOC
from sky_lists import cones

from broker_assets.access import accounts, tokens
from broker_assets.annotations.annotators import add_annotator
from broker_assets.delivery.owners import set_contact
from broker_assets.filters.query import Form
from broker_assets.filters.store import create_filter
from broker_assets.sky.lists import create_area, create_watchlist
from broker_assets.tom.queries.queue import submit
from broker_assets.tom.queries.statements import statements_of


def own_something(connection: psycopg.Connection[Any], name: str, password: str | None = None) -> accounts.User:
    """Make the account with a token, a public filter with a sink, private lists, two annotators, SQL and a facility."""
    user = accounts.add(connection, name, password, email=f"{name}@example.org")
    tokens.create(connection, user, "script")
    filterid = create_filter(connection, name, "bright", Form("objects.diaObjectId", "objects", ""), public=True)
    connection.execute(
        "INSERT INTO filter_sinks (filterid, owner, name, kind, target) VALUES (%s, %s, 'bright', 'email', %s),"
        " (%s, %s, 'bright', 'kafka', %s)",
        (filterid, name, f"{name}@example.org", filterid, name, f"public.{name}.bright"),
    )
    create_watchlist(connection, name, "mine", cones(3, 1), radius=5.0)
    create_area(connection, name, "patch", MOC.from_str("3/7"))
    add_annotator(connection, f"{name}_public", name, public=True)
    add_annotator(connection, f"{name}_private", name)
    set_contact(connection, name, f"{name}@example.org")
    submit(connection, user.userid, statements_of(f"SELECT '{name}'", {"who": name}), "csv")
    connection.execute(
        "INSERT INTO spectrum_facilities (facility, userid) VALUES (%s, %s)", (f"telescope of {name}", user.userid)
    )
    return user


def owned(connection: psycopg.Connection[Any], owner: str) -> dict[str, int]:
    """How many filters, watchlists, areas and annotators an account owns."""
    return {
        table: connection.execute(f"SELECT count(*) FROM {table} WHERE owner = %s", (owner,)).fetchall()[0][0]
        for table in ("filters", "watchlists", "areas", "annotators")
    }
