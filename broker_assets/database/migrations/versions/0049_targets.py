"""Targets of accounts, lists of them, comments, and spectra as files."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0049"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
