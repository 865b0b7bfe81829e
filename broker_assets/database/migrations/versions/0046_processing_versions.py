"""Versions of the processing, root objects, and FASTDB's names of tables."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0046"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
