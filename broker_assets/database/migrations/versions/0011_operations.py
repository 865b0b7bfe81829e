"""Alerts with kind, asset, partition and severity, so that status can show them; heartbeats of who looks for them."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
