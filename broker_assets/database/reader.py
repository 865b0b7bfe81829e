"""The role of the web application: it reads every table of the platform and changes nothing.

`prepare` creates it before the services start, if the settings name it.
"""

from __future__ import annotations

from sqlalchemy.engine import URL

from broker_assets.database.query_role import ROLE
from broker_assets.database.roles import grant
from broker_assets.database.sql_roles import LOCKING

READING = (
    "ALTER ROLE {role} IN DATABASE {database} SET default_transaction_read_only = on",
    # Temporary tables can fill the disk like others; the owner has the right anyway.
    "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}",
    "GRANT EXECUTE ON FUNCTION shared_with(text, text) TO {role}",
    # Users' SQL runs as this role, which has fewer rights.
    f"GRANT {ROLE} TO {{role}}",
    "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO {role}",
    LOCKING,
)
"""Rights to read; they extend to tables that the owner creates later."""


def create_reader(owner: str | URL, reader: str | URL) -> None:
    """Create the role of a URL, or give an existing one its password and rights; see `roles.grant`."""
    grant(owner, reader, "BROKER_DATABASE__READER_URL", READING)
