"""Preparation before the services start: our migrations, Dagster's tables, the topics.

The supervisor calls `prepare`; in containers a separate job runs ``python -m broker_assets.local.prepare``, with the
servers named by the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from broker_assets.database import migrations
from broker_assets.database.reader import create_reader
from broker_assets.local import instance, platform, readiness
from broker_assets.monitoring import state_file
from broker_assets.settings import Settings, load_settings


def prepare(
    settings: Settings, addresses: state_file.Addresses, report: Callable[[str], None] = lambda message: None
) -> None:
    """Bring the servers to the state that the services expect; does nothing if they are already there.

    Parameters
    ----------
    settings : Settings
        Defines the streams, whose topics are created.
    addresses : Addresses
        The servers, and a Dagster home with its `dagster.yaml`.
    report : callable
        Receives a line about each step.
    """
    report("Database schema …")
    migrations.upgrade(addresses.database_url)
    if settings.database.reader_url is not None:
        create_reader(addresses.database_url, settings.database.reader_url.get_secret_value())
    report("Dagster's tables …")
    os.environ.update(addresses.environment())
    instance.create_instance(Path(addresses.dagster_home))
    report("Topics …")
    readiness.ensure_topics(settings, addresses.bootstrap_servers)


def main() -> None:
    """Prepare the servers named in the environment."""
    settings = load_settings()
    prepare(settings, platform.addresses(settings))


if __name__ == "__main__":
    main()
