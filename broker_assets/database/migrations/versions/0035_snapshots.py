"""Answers that were frozen so that they can be cited."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
