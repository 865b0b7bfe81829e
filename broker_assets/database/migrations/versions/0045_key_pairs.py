"""Pairs of keys of accounts, and challenges that log in by them."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0045"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
