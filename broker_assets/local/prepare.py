"""Preparation before the services start: our migrations, Dagster's tables, the topics.

It is a separate process, ``python -m broker_assets.local.prepare``, with the servers named by the environment: in
containers a job, on one machine a child of the long-running supervisor, which would otherwise keep what this loads (100
MB).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from broker_assets.access import accounts
from broker_assets.access.refusals import NameTaken
from broker_assets.database import migrations
from broker_assets.database.access_role import create_access_role
from broker_assets.database.engine import connect
from broker_assets.database.reader import create_reader
from broker_assets.database.sql_roles import set_passwords
from broker_assets.delivery.readers import Readers
from broker_assets.local import instance, platform, readiness
from broker_assets.local.processes import LocalPlatformError
from broker_assets.monitoring import state_file
from broker_assets.settings import Settings, load_settings
from broker_assets.settings.access import AccessSettings

ABANDONED = "--end-abandoned-runs"


def prepare(settings: Settings, addresses: state_file.Addresses) -> None:
    """Bring the servers to the state that the services expect; does nothing if they are already there.

    Parameters
    ----------
    settings : Settings
        Defines the streams, whose topics are created.
    addresses : Addresses
        The servers, and a Dagster home with its `dagster.yaml`.
    """
    migrations.upgrade(addresses.database_url)
    if settings.database.reader_url is not None:
        create_reader(addresses.database_url, settings.database.reader_url.get_secret_value())
    if settings.database.access_url is not None:
        create_access_role(addresses.database_url, settings.database.access_url.get_secret_value())
    if settings.database.sql_password is not None:
        set_passwords(addresses.database_url, settings.database.sql_password.get_secret_value())
    if settings.access.administrator_password is not None:
        make_administrator(addresses.database_url, settings.access)
    os.environ.update(addresses.environment())
    instance.create_instance(Path(addresses.dagster_home))
    readiness.ensure_topics(settings, addresses.bootstrap_servers)
    if settings.delivery.readers.embedded:
        Readers(platform.connected(settings).delivery_cluster).open_public_topics()


def make_administrator(url: str, settings: AccessSettings) -> None:
    """Create the first administrator if there is no account with that name; an existing one keeps its password."""
    password = settings.administrator_password
    with connect(url, application="broker-assets prepare", autocommit=True) as connection, suppress(NameTaken):
        accounts.add(
            connection,
            settings.administrator,
            password.get_secret_value() if password is not None else None,
            roles=["administrator"],
        )


def main(arguments: Sequence[str]) -> None:
    """Prepare the servers named in the environment.

    With the argument `--end-abandoned-runs`, end the runs that died with an earlier platform; only on one machine,
    since their processes are searched for here.
    """
    settings = load_settings()
    addresses = platform.addresses(settings)
    try:
        prepare(settings, addresses)
    except LocalPlatformError as error:
        sys.exit(str(error))
    if ABANDONED in arguments:
        instance.end_abandoned(Path(addresses.dagster_home))


if __name__ == "__main__":
    main(sys.argv[1:])
