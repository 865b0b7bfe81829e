"""Points of light curves by their identity: which packet brought each, and what is stored of each object."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
