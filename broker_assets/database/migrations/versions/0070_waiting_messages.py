"""Messages that were counted before their alerts were marked as sent."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL in the file of the same name."""
    run_frozen_sql(__file__)
