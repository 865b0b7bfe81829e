"""Sinks of filters, the outbox, messages to owners, and feeds of changes."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
