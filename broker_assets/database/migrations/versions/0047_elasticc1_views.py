"""The materialised views of the first campaign."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
