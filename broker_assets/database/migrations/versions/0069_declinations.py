"""Indices of declinations, which the functions of q3c use."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL in the file of the same name."""
    run_frozen_sql(__file__)
