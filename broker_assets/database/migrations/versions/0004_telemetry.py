"""Register of telemetry files, packets that could not be used, product files and what they were made from."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL next to this file."""
    run_frozen_sql(__file__)
