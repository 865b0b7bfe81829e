"""Rights come from groups; administrators have all of them, guests none."""

from __future__ import annotations

import pytest

from broker_assets.access import accounts, groups
from broker_assets.access.permissions import ELASTICC_ADMIN, ELASTICC_BROKER, may
from broker_assets.database import engine

pytestmark = pytest.mark.database


def test_who_may(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        users = {
            name: accounts.add(connection, name, "correct horse", roles=roles)
            for name, roles in (("root", ["administrator"]), ("anna", []), ("visitor", ["guest"]))
        }

        def join(name: str, group: str) -> None:
            connection.execute(
                "INSERT INTO access.memberships SELECT userid, groupid FROM access.users, access.groups"
                " WHERE username = %s AND name = %s",
                (name, group),
            )

        def allowed(permission: str) -> set[str]:
            return {name for name, user in users.items() if may(connection, user, permission)}

        assert allowed(ELASTICC_ADMIN) == allowed(ELASTICC_BROKER) == {"root"}
        for group in ("BROKER", "elasticc_admin", "Brokers of the other kind"):
            groups.add(connection, group)
        join("anna", "Brokers of the other kind")
        assert allowed(ELASTICC_BROKER) == {"root"}
        join("anna", "BROKER")
        join("visitor", "BROKER")
        assert allowed(ELASTICC_BROKER) == {"root", "anna"}
        assert allowed(ELASTICC_ADMIN) == {"root"}
        with pytest.raises(KeyError):
            may(connection, users["root"], "everything")
