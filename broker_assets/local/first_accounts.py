"""The first accounts on one machine, an administrator and a guest who can only read, and the signing key.

Their passwords are random and shown once, by the process that created them. Neither is created again: a guest that was
removed stays removed.
"""

from __future__ import annotations

import os
import secrets
from typing import Final

from broker_assets.access import accounts
from broker_assets.access.passwords import new_password
from broker_assets.access.refusals import NameTaken
from broker_assets.database.engine import connect
from broker_assets.settings import Settings
from broker_assets.storage.atomic import replace_atomically

GUEST: Final = "guest"
"""Name of the read-only account."""
SIGNING_KEY: Final = "BROKER_ACCESS__SIGNING_KEY"


def make_first_accounts(url: str, settings: Settings) -> dict[str, str]:
    """Create the first accounts, if there are no accounts other than those created from the settings.

    Parameters
    ----------
    url : str
        Database.
    settings : Settings
        Settings with the name of the administrator; if they have a password, that account already exists.

    Returns
    -------
    dict of str to str
        Password by name; empty if there were accounts.
    """
    name = settings.access.administrator
    with connect(url, application="broker-assets up", autocommit=True) as connection, connection.transaction():
        # Two platforms must not do this at once; removed accounts count too.
        connection.execute("LOCK TABLE access.users IN SHARE ROW EXCLUSIVE MODE")
        known = [row[0] for row in connection.execute("SELECT username FROM access.users")]
        if [one for one in known if settings.access.administrator_password is None or one != name]:
            return {}
        made: dict[str, str] = {}
        for username, role in ((name, "administrator"), (GUEST, "guest")):
            password = new_password()
            try:
                with connection.transaction():
                    accounts.add(connection, username, password, roles=[role])
            except NameTaken:
                continue
            made[username] = password
    return made


def adopt_signing_key(settings: Settings) -> None:
    """Let the services sign with the key in the folder, which is created if there is none."""
    if settings.access.signing_key is not None:
        return
    path = settings.home / "signing-key"
    if not path.is_file():
        replace_atomically(path, secrets.token_hex(32), mode=0o600)
    os.environ[SIGNING_KEY] = path.read_text(encoding="ascii").strip()
