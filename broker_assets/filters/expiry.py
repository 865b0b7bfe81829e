"""Expiry of filters, watchlists and areas, with advance notice to the owner.

An expiry is a change like any other and does not take effect by the clock: what has expired is matched until this runs.
Saving a list or filter renews it.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg import sql

from broker_assets.filters.pausing import Notify
from broker_assets.filters.store import FilterChanges, change_filter, pause
from broker_assets.sky.lists import ListSettings, change_list, expire_lists

Connection = psycopg.Connection[Any]

KINDS: Final = {"filter": ("filters", "filterid"), "watchlist": ("watchlists", "wl_id"), "area": ("areas", "ar_id")}
"""Table and key of what expires."""


@dataclass(frozen=True)
class Expiring:
    """Something that expires."""

    kind: str
    identifier: int
    owner: str
    name: str
    when: datetime.datetime


@dataclass(frozen=True)
class Expiries:
    """Counts of what was done."""

    warned: list[Expiring]
    expired: list[Expiring]


def expiring(connection: Connection, *, days: float) -> list[Expiring]:
    """Active filters and lists that expire within some days, or have expired."""
    found = []
    for kind, (table, key) in KINDS.items():
        rows = connection.execute(
            sql.SQL(
                "SELECT {key}, owner, name, date_expire FROM {table} WHERE active"
                " AND date_expire < now() + make_interval(secs => %s) ORDER BY {key}"
            ).format(key=sql.Identifier(key), table=sql.Identifier(table)),
            (days * 86_400.0,),
        )
        found += [Expiring(kind, *row) for row in rows]
    return found


def renewed(days: float) -> datetime.datetime:
    """Expiry time of something that is saved now."""
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)


def renew(connection: Connection, kind: str, identifier: int, owner: str, when: datetime.datetime | None) -> None:
    """Set when something expires; None: never.

    Raises
    ------
    KeyError
        If the kind is not in `KINDS`.
    UnknownFilter, UnknownList, NotTheOwner
        Raised for filters or lists, as the names say.
    """
    if kind == "filter":
        change_filter(connection, owner, identifier, FilterChanges(expire=when or "never"))
        return
    lists: dict[str, Literal["watchlist", "area"]] = {"watchlist": "watchlist", "area": "area"}
    change_list(connection, owner, lists[kind], identifier, ListSettings(expire=when or "never"))


def warn_and_expire(connection: Connection, *, warn_days: float, notify: Notify | None = None) -> Expiries:
    """Notify owners of what is going to expire, and deactivate what has expired.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside a transaction.
    warn_days : float
        The owner is notified once, this many days before the expiry.
    notify : callable, optional
        Queues the messages.
    """
    now = datetime.datetime.now(datetime.UTC)
    known = expiring(connection, days=warn_days)
    over = [item for item in known if item.when <= now]
    soon = [item for item in known if item.when > now]
    warned = [item for item in soon if notify is not None and _warn(connection, item, notify)]
    if any(item.kind != "filter" for item in over):
        expire_lists(connection)
    for item in over:
        with connection.transaction():
            if item.kind == "filter":
                pause(connection, item.identifier, f"it expired on {item.when:%Y-%m-%d}")
            if notify is not None:
                notify(
                    connection,
                    item.owner,
                    f"Your {item.kind} {item.name} has expired",
                    f"The {item.kind} {item.name} (number {item.identifier}) expired on {item.when:%Y-%m-%d} and is no"
                    f" longer used. {_HOW.format(kind=item.kind)}\n",
                    cause=f"{item.kind} {item.identifier} expired {item.when:%Y-%m-%dT%H:%M:%S}",
                )
    return Expiries(warned, over)


_HOW: Final = "Save it again, or set another time, to renew it: broker-assets filter expiry renew {kind} NUMBER"


def _warn(connection: Connection, item: Expiring, notify: Notify) -> bool:
    message = notify(
        connection,
        item.owner,
        f"Your {item.kind} {item.name} expires on {item.when:%Y-%m-%d}",
        f"The {item.kind} {item.name} (number {item.identifier}) expires on {item.when:%Y-%m-%d %H:%M} UTC and is then"
        f" no longer used. {_HOW.format(kind=item.kind)}\n",
        cause=f"{item.kind} {item.identifier} expires {item.when:%Y-%m-%dT%H:%M:%S}",
    )
    return message is not None
