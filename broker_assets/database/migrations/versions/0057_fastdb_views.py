"""Accounts, queued SQL and the simulated prompt products database under FASTDB's names."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0057"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL in the file of the same name."""
    run_frozen_sql(__file__)
