"""Solar-system objects are found by number, name and designation."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
