"""Time windows of cones, notices of events with an error circle, and the cones made of them."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0025"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
