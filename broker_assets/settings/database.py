"""Settings of the databases."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr


class DatabaseSettings(BaseModel):
    """Databases."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = None
    """`postgresql+psycopg://…` of the broker's database; if unset, the embedded PostgreSQL is started."""
    reader_url: SecretStr | None = None
    """The same database with a role that only reads, which is created before the services start; for the API, which
    otherwise uses `url` in read-only transactions."""
    access_url: SecretStr | None = None
    """The same database with a role that reads and writes accounts and nothing else, which is created before the
    services start; for the API, which otherwise uses `url`."""
    sql_password: SecretStr | None = None
    """Password of the roles with which users' SQL logs in (`postgres_elasticc_ro`, `postgres_elasticc_admin_ro`); it is
    set before the services start. If unset, users' SQL runs only where the server requires no password, like the
    embedded PostgreSQL."""
    dagster_url: SecretStr | None = None
    """`postgresql+psycopg2://…` of Dagster's database; if unset, the embedded PostgreSQL is used."""
