"""Checksums of the TNS table after each file; hits by night."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL next to this file."""
    run_frozen_sql(__file__)
