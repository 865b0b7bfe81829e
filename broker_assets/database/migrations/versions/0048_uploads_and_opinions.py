"""Uploads of classifications with their batches, and what kinds of sources say of objects."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0048"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
