"""Telemetry files can be dismissed: nothing else ends the alert of a file that nobody can send again."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
