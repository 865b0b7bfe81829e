"""What accounts upload, try and ask for, in the schema `access`."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
