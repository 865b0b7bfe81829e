"""The broker's database, as a resource of assets, checks and sensors.

A plain object and not a `ConfigurableResource`: Dagster's pages show the configuration of the latter, and a database
URL contains a password. Only the handle belongs here; queries are next to the code that uses them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Self

import psycopg
import sqlalchemy as sa

from broker_assets.database import engine as connections
from broker_assets.database.kept import KeptConnections
from broker_assets.settings import Settings


class DatabaseNotConfiguredError(RuntimeError):
    """No database URL is set and no embedded PostgreSQL has been started."""


DATABASE_AWAY = (
    connections.DatabaseUnavailableError,
    DatabaseNotConfiguredError,
    psycopg.Error,
)
"""Errors of a sensor whose database is unavailable: it reports them and retries at the next tick."""


class Database:
    """Connections to the broker's database.

    Parameters
    ----------
    url : str or None
        `postgresql+psycopg://…`. None is allowed so that definitions can be loaded anywhere; any use of the database
        then fails with a message that explains what to do.
    keep : bool
        Whether connections are kept for the next transaction (`broker_assets.database.kept`), as in the process that
        evaluates sensors. Runs open few connections and keep none.
    """

    def __init__(self, url: str | None, *, keep: bool = False) -> None:
        self._url = url
        self._keep = keep
        self._schemas: dict[str, Database] = {}

    @classmethod
    def of(cls, settings: Settings, *, keep: bool = False) -> Self:
        """The database of the settings."""
        secret = settings.database.url
        return cls(secret.get_secret_value() if secret is not None else None, keep=keep)

    @property
    def url(self) -> str:
        """The URL, with its password.

        Raises
        ------
        DatabaseNotConfiguredError
            If there is none.
        """
        if self._url is None:
            raise DatabaseNotConfiguredError(
                "no database is configured: set BROKER_DATABASE__URL, or start the embedded one with `broker-assets up`"
            )
        return self._url

    @cached_property
    def engine(self) -> sa.Engine:
        """SQLAlchemy engine; without a pool unless connections are kept."""
        return connections.engine(self.url, keep=self._keep)

    @cached_property
    def _kept(self) -> KeptConnections:
        return KeptConnections(self.url)

    def in_schema(self, schema: str) -> Database:
        """The same database with another schema in place of `public`."""
        if schema not in self._schemas:
            self._schemas[schema] = Database(connections.in_schema(self.url, schema), keep=self._keep)
        return self._schemas[schema]

    def transaction(self, **options: Any) -> AbstractContextManager[psycopg.Connection[tuple[Any, ...]]]:
        """A psycopg connection for one transaction; options as in `database.engine.connect`."""
        if self._keep and options.keys() <= {"connect_timeout"}:
            return self._kept.transaction(**options)
        return connections.transaction(self.url, **options)

    def __repr__(self) -> str:
        where = connections.describe(self._url) if self._url is not None else "not configured"
        return f"Database({where})"
