"""Filters with their versions, when each was active, what they matched, and how they ran."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0022"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
