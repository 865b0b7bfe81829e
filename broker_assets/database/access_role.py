"""The role of the web application for what its users change: accounts, and annotations of objects."""

from __future__ import annotations

from sqlalchemy.engine import URL

from broker_assets.database.roles import grant

ACCOUNTS = (
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
    "GRANT USAGE ON SCHEMA access TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA access TO {role}",
    "GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA access TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA access GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA access GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO {role}",
)
"""What accounts need."""

ANNOTATING = (
    "GRANT SELECT ON objects, ingest_batch, revision_counter, annotators TO {role}",
    # To lock the annotator, which none of its columns is changed for.
    "GRANT UPDATE (revision) ON annotators TO {role}",
    "GRANT UPDATE ON revision_counter TO {role}",
    "GRANT INSERT, UPDATE ON ingest_batch TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON annotations, annotation_history, annotation_due, annotation_waiting"
    " TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
)
"""What annotating an object needs."""


def create_access_role(owner: str | URL, access: str | URL) -> None:
    """Create the role of a URL, or give an existing one its password and rights; see `roles.grant`."""
    grant(owner, access, "BROKER_DATABASE__ACCESS_URL", (*ACCOUNTS, *ANNOTATING))
