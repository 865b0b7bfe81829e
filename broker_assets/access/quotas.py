"""How many filters, lists and cones an account may have, and how many it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from broker_assets.access.accounts import UnknownAccount, User
from broker_assets.database.turns import in_turn
from broker_assets.settings.access import AccessSettings

MORE: Final = 10
"""Factor by which the limits of accounts with a role are higher."""

_COUNTED: Final = {
    "filters": "SELECT count(*) FROM filters WHERE owner = %s",
    "watchlists": "SELECT count(*) FROM watchlists WHERE owner = %s",
    "cones": "SELECT count(*) FROM watchlist_cones JOIN watchlists USING (wl_id) WHERE owner = %s",
    "areas": "SELECT count(*) FROM areas WHERE owner = %s",
    "targets": "SELECT count(*) FROM access.targets WHERE owner = %s",
}


class OverQuota(ValueError):
    """An account would exceed a limit; the message says which, and how much is allowed."""


@dataclass(frozen=True)
class Use:
    """How much of something an account has."""

    what: str
    used: int
    most: int


def of_account(connection: psycopg.Connection[Any], user: User, settings: AccessSettings) -> list[Use]:
    """Return how much an account has of everything that is limited."""
    return [_use(connection, user, settings, what) for what in _COUNTED]


def require_room(
    connection: psycopg.Connection[Any], user: User, settings: AccessSettings, what: str, more: int = 1
) -> None:
    """Raise an exception unless an account may have more of something.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection with the transaction in which they are added: the second of two simultaneous requests counts what the
        first has added, and nothing is added for an account that has been removed.
    user, settings : User, AccessSettings
        The account, and the limits.
    what : str
        `filters`, `watchlists`, `cones`, `areas` or `targets`.
    more : int
        How many are added.

    Raises
    ------
    OverQuota
        If the account would have too many.
    UnknownAccount
        If the account has been removed since the request arrived.
    """
    if connection.info.transaction_status is TransactionStatus.IDLE:
        raise RuntimeError("room is required in the transaction that takes it")
    in_turn(connection, f"quota {user.userid} {what}")
    known = "SELECT FROM access.users WHERE userid = %s AND date_removed IS NULL FOR KEY SHARE"
    if connection.execute(known, (user.userid,)).fetchone() is None:
        raise UnknownAccount(f"the account {user.username} has been removed")
    use = _use(connection, user, settings, what)
    if use.used + more > use.most:
        raise OverQuota(
            f"you have {use.used:,} of {use.most:,} {what}, and {more:,} more would be too many:"
            " remove some, or ask an administrator for the role of a power user"
        )


def _use(connection: psycopg.Connection[Any], user: User, settings: AccessSettings, what: str) -> Use:
    row = connection.execute(_COUNTED[what], (user.username,)).fetchone()
    most = int(getattr(settings, f"most_{what}")) * (MORE if user.has_more else 1)
    return Use(what, int(row[0]) if row is not None else 0, most)
