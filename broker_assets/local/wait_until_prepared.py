"""Waits until the servers are prepared: ``python -m broker_assets.local.wait_until_prepared``.

If the services and the job of `local.prepare` are started at the same time (Kubernetes), each service waits in this way
for the databases in its own settings: it never finds tables of an earlier release, nor creates Dagster's tables
concurrently with another one.
"""

from __future__ import annotations

import logging
import sys
import time

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from broker_assets.database import migrations
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.settings import Settings, load_settings

DAGSTER_TABLES = ("runs", "event_logs", "instigators")
"""A table of each of Dagster's storages."""

logger = logging.getLogger(__name__)


def lacking(settings: Settings) -> str | None:
    """What is still missing in the databases of the settings; None if a service may start.

    Parameters
    ----------
    settings : Settings
        The owner's URL of the database or the reader's, and that of Dagster's database where the service uses it.
    """
    database = settings.database
    ours = database.url or database.reader_url
    try:
        if ours is None:
            return "BROKER_DATABASE__URL or BROKER_DATABASE__READER_URL is not set"
        revision = migrations.current(ours.get_secret_value())
        if not migrations.serves(revision):
            return f"the database is at step {revision or 'none'}, this release needs {migrations.head()}"
        if database.dagster_url is not None and (missing := _missing_tables(database.dagster_url)):
            return f"Dagster's database lacks {', '.join(missing)}"
    except DatabaseUnavailableError as error:
        return f"the database does not answer: {' '.join(str(error).split())}"
    except SQLAlchemyError as error:
        return f"the database does not answer: {type(error).__name__}"
    return None


def _missing_tables(url: SecretStr) -> list[str]:
    engine = sa.create_engine(url.get_secret_value(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        return [name for name in DAGSTER_TABLES if not inspector.has_table(name)]


def wait(settings: Settings, *, seconds: float, pause: float = 2.0) -> str | None:
    """Wait until nothing is missing; return what still is after `seconds`, else None."""
    deadline = time.monotonic() + seconds
    said = None
    while (what := lacking(settings)) is not None and time.monotonic() < deadline:
        if what != said:
            logger.warning("waiting: %s", what)
            said = what
        time.sleep(pause)
    return what


def main() -> None:
    """Wait for at most ten minutes; the exit code is 1 if something is still missing then."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    what = wait(load_settings(), seconds=600)
    if what is not None:
        sys.exit(what)


if __name__ == "__main__":
    main()
