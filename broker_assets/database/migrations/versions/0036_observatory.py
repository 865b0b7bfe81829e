"""Asynchronous queries of the Virtual Observatory, and product files as observations."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0036"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
