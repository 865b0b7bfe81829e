"""Points of months that have left the database whose time is now in another month."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0052"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL in the file of the same name."""
    run_frozen_sql(__file__)
