"""The first campaign of DESC: its tables and views, into which dumps of it restore."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0038"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
