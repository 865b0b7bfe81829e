"""Statistics of the stored light curves of objects, by night."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
