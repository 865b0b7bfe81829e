"""Rights that accounts have by a role or a group, under the names of DESC's TOM."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from broker_assets.access.accounts import User

ELASTICC_ADMIN: Final = "elasticc_admin"
"""May see the truth of simulations and everything that is known of a campaign."""
ELASTICC_BROKER: Final = "elasticc_broker"
"""May upload classifications."""

GROUPS: Final = {
    ELASTICC_ADMIN: ("elasticc_admin", "tom_admin"),
    ELASTICC_BROKER: ("elasticc_broker", "elasticc_brokers", "Broker"),
}
"""Groups whose members have a right; administrators of the platform create groups, and have every right."""


def may(connection: psycopg.Connection[Any], user: User, permission: str) -> bool:
    """Whether an account has a right.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection that may read the accounts.
    user : User
        The account.
    permission : str
        One of `GROUPS`.

    Raises
    ------
    KeyError
        If there is no such right.
    """
    groups = [name.lower() for name in GROUPS[permission]]
    if user.administers:
        return True
    if user.is_guest:
        return False
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM access.memberships JOIN access.groups USING (groupid) WHERE userid = %s"
        " AND lower(name) = ANY(%s))",
        (user.userid, groups),
    ).fetchone()
    return bool(row is not None and row[0])
