"""Attempts at messages of a stream, so that one that ends every run is found."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
