"""The work of the simulated survey: files that were loaded, batches that are being sent, nights that were sent."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0039"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
