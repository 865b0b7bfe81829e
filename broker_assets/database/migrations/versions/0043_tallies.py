"""Counts of what classifiers of brokers reported against the truth."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0043"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
