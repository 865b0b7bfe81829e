"""Annotators, annotations as they are and were, and what waits for its object or its filters."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0024"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
