"""Provenance of assets that are no more: rows of lists, which are observed assets now, and the pruned event log."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
