"""`python manage.py COMMAND …`: commands of the original, with the same names and options in this platform.

`create_test_users` creates the two accounts with which its tests log in; their password is shorter than the platform
allows, so it is written as a Django hash, like that of accounts that are taken over.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from typing import Final

import tom_connection

ACCOUNTS: Final = {"root": ["administrator"], "apibroker": []}
"""Names and roles of the accounts of the tests."""
PASSWORD: Final = "testing"
BROKERS: Final = "Broker"
"""Group whose members upload classifications."""


def create_test_users() -> None:
    """Make the accounts of the tests where they are not there yet."""
    from broker_assets.access import accounts, groups
    from broker_assets.access.refusals import NameTaken

    salt = "ofthetests"
    key = base64.b64encode(hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), 1000)).decode()
    connection = tom_connection.connection()
    for name, roles in ACCOUNTS.items():
        try:
            accounts.add_with_hash(connection, name, f"pbkdf2_sha256$1000${salt}${key}", roles=roles)
        except NameTaken:
            continue
    if not connection.execute("SELECT FROM access.groups WHERE name = %s", (BROKERS,)).fetchall():
        groups.add(connection, BROKERS)
    connection.execute(
        "INSERT INTO access.memberships (userid, groupid) SELECT userid, groupid FROM access.users, access.groups"
        " WHERE username = 'apibroker' AND name = %s ON CONFLICT DO NOTHING",
        (BROKERS,),
    )


def main(arguments: list[str]) -> None:
    """Run a command."""
    if arguments[:1] == ["create_test_users"]:
        create_test_users()
        return
    os.environ.setdefault("BROKER_DATABASE__URL", tom_connection.database_url())
    os.environ.setdefault("BROKER_KAFKA__BOOTSTRAP_SERVERS", "kafka-server:9092")
    from broker_assets.cli import app

    # Names of commands may contain underscores.
    app(["tom", *arguments], prog_name="broker-assets")


if __name__ == "__main__":
    main(sys.argv[1:])
