"""Deliveries to archives, with decisions and reasons; copies of the local archive in other stores."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL next to this file."""
    run_frozen_sql(__file__)
