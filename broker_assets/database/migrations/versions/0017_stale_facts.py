"""Facts of single alerts that are stale, and how far facts were compared with catalogues and rules."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0017"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
